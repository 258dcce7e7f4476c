//! What the command lines of several tools share.

pub mod family;
pub mod values;
