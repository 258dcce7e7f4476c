//! What the command lines of several tools share.

pub mod compared;
pub mod conditions;
pub mod family;
pub mod format;
pub mod generate;
pub mod help;
pub mod live;
pub mod ports;
pub mod record;
pub mod result_file;
pub mod rules;
pub mod shard;
pub mod silent;
pub mod values;
