//! The only room that knows argv, environment, terminals and exit codes.
