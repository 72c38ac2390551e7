#!/usr/bin/env bash
# The tests with their full counts, and long fuzz runs. Takes hours rather than minutes; scripts/test.sh runs the same tests
# with counts that are reduced, since the seeds differ from run to run.
#
#   soak.sh [SECONDS]      how long each fuzz target runs (default 600)
#
# A failure prints its seed: SECURE_LOG_SEED=<seed> repeats it.
. "$(dirname "$0")/lib.sh"

export SECURE_LOG_SOAK=1
export SECURE_LOG_FUZZ_SECONDS=${1:-600}
exec scripts/test.sh
