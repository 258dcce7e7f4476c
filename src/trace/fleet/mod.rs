//! What every machine over paths shares: targets, the probes on record, names, and turns.

pub(super) mod departure;
pub(super) mod names;
pub(super) mod probes;
pub(super) mod work;
