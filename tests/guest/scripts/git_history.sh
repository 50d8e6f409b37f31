# git: init, commits with fixed dates, branches, merge, gc, fsck, clone, diff, grep. Object names are part of the output.
command -v git > /dev/null || { echo "git is not installed"; exit 77; }
set -eu
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git config --global init.defaultBranch main; git config --global advice.detachedHead false
git config --global gc.auto 0; git config --global pack.threads 2
git init -q repo; cd repo
for i in $(seq 1 40); do
  seq $i $((i + 200)) > "file$((i % 7))"; git add -A; git commit -q -m "commit $i"
done
git log --oneline | head -3
git checkout -q -b side HEAD~10; echo side > side; git add side; git commit -q -m side
git checkout -q main; git merge -q side -m merge; git log -1 --format=%H
git status --short; echo more >> side; git status --short; git diff | sha256sum; git stash -q; git status --short
git stash pop -q; git commit -qam more; git rev-parse HEAD
git gc -q; git fsck --full --strict; git count-objects -v | grep -E '^(count|in-pack|packs)'
git repack -q -a -d -f --depth=20; git fsck; git rev-list --all --objects | wc -l
cd ..; git clone -q repo clone; git clone -q --no-local --bare repo bare.git; cd clone; git log --oneline | wc -l
git grep -c 200 | sort | head -3; git blame -s file1 | tail -1; git show --stat HEAD~3 | tail -1
git -c user.name=T tag -a v1 -m tag; git describe; git archive HEAD | sha256sum
echo upstream > new; git add new; git commit -q -m up; git push -q origin HEAD:pushed; git -C ../repo branch | cat
git bisect start HEAD HEAD~20 > /dev/null; git bisect run sh -c 'test ! -f side' | tail -1; git bisect reset > /dev/null 2>&1
git checkout -q HEAD~5; cat file1 | sha256sum; git cat-file -p HEAD | head -2
git no-such-command 2> /dev/null || echo "git said $?"
