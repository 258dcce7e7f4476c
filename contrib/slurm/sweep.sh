#!/bin/sh
#SBATCH --job-name=sweep
#SBATCH --array=0-4
#SBATCH --requeue
#SBATCH --output=sweep-%a.log
# A sweep by five tasks that each take a share:  sbatch sweep.sh TARGETS FOLDER
# Targets that do not answer are results: a task fails only if its share is not whole (--reachable 0).
# A task that is killed and queued again replaces its own file; together the files are the whole:  cat FOLDER/part-*.ndjson
set -eu
exec rping --json --reachable 0 --targets "$1" --shard-index "$SLURM_ARRAY_TASK_ID" --shard-count 5 -o "$2/part-$SLURM_ARRAY_TASK_ID.ndjson"
