#!/bin/sh
#SBATCH --job-name=sweep
#SBATCH --array=0-4
#SBATCH --requeue
#SBATCH --output=sweep-%a.log
# A sweep by five tasks that each take a share:  sbatch sweep.sh TARGETS FOLDER
# A task that is killed and queued again replaces its own file; together the files are the whole:  cat FOLDER/part-*.ndjson
set -eu
exec rping --json --targets "$1" --shard-index "$SLURM_ARRAY_TASK_ID" --shard-count 5 -o "$2/part-$SLURM_ARRAY_TASK_ID.ndjson"
