#!/bin/sh
# sweep-ld.sh [NAME...]: the sweep with our dynamic loader in the genuine one's place; see sweep.sh.
SWEEP_WAY=loader exec "$(dirname "$0")/sweep.sh" "$@"
