# make -j3 with a job server, recursive makes, failures that stop, and touched files that rebuild.
command -v make > /dev/null || { echo "make is not installed"; exit 77; }
set -eu
mkdir sub
for i in $(seq 1 30); do echo "$i" > in$i; done
cat > Makefile << 'END'
OUTS := $(patsubst in%,out%,$(sort $(wildcard in*)))
all: result sub
result: $(OUTS)
	@cat $(sort $^) | sort -n | sha256sum > $@
out%: in%
	@sleep 0.01; seq 1 $$(cat $<) > $@
sub: result
	@$(MAKE) --no-print-directory -C sub all
fail: ; @echo failing; exit 4
keep-1 keep-2 keep-3: ; @echo $@ > $@; test $@ != keep-2
.PHONY: all sub fail
END
printf 'all: a b c\n\t@cat a b c\na b c:\n\t@echo $@ > $@\n' > sub/Makefile
make -j3; cat result; ls out* | wc -l
make -j3; touch -d '2099-01-01' in7; make -j3 -n 2> /dev/null | grep -c 'seq 1' || true
make -j3 fail > log 2>&1 || echo "make said $?"; head -1 log
make -j3 -k keep-1 keep-2 keep-3 > log 2>&1 || echo "make said $?"; ls keep-1 keep-3
make --no-such-option > log 2>&1 || echo "make said $?"
