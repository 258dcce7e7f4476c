#!/bin/sh
# fping6 by its path: where a package cannot hold a symbolic link to rping.
exec /usr/bin/rping --as-fping -6 "$@"
