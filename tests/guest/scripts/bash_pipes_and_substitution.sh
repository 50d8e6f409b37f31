# Pipes, process substitution, subshells, here-documents, arrays and functions.
echo one | cat | cat | tr a-z A-Z
seq 1 100000 | sort -rn | head -1
echo "statuses ${PIPESTATUS[*]}"
false | true; echo "statuses ${PIPESTATUS[*]}"
set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
yes | head -3
paste <(seq 3) <(seq 4 6) <(echo a; echo b)
tee >(tr a-z A-Z > upper) < <(echo to both) ; while [ ! -s upper ]; do sleep 0.01; done; cat upper
(cd /; x=inner; pwd; (exit 7); echo "sub $?"); echo "x is [${x-}]"
cat << END
here ${BASH_VERSION:0:1} $((6 * 7)) $(echo command; echo substitution)
END
cat <<- 'END'
	quoted $HOME
	END
read -r first rest <<< 'here string with words'; echo "$first|$rest"
f() { local n=$1; [ "$n" -le 1 ] && echo 1 && return; echo $((n * $(f $((n - 1))))); }
f 10
declare -A map=([b]=2 [a]=1); for key in $(echo "${!map[@]}" | tr ' ' '\n' | sort); do echo "$key=${map[$key]}"; done
list=($(seq 1 2000)); echo "${#list[@]} ${list[-1]} ${list[@]:10:3}"
big=$(seq 1 60000); echo "${#big}"
coproc { while read -r line; do echo "got $line"; done; }
echo hello >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; echo "$answer"; eval "exec ${COPROC[1]}>&-"; wait
exec 3> file; echo three >&3; exec 3>&-; cat file
{ echo out; echo err >&2; } 2>&1 | sort
mkfifo fifo; cat fifo & echo through a fifo > fifo; wait
for i in 1 2 3 4 5 6 7 8; do (echo "subshell $i" > out$i) & done; wait; cat out?
case abc in a*) echo matched;; esac
printf '%s\n' {1..3}{a,b} | xargs -n 2 echo
type -t f; command -v no-such-command || echo none; no-such-command 2> /dev/null; echo "status $?"
kill -l 11; echo $'\x41\u00e9' | od -An -tx1
