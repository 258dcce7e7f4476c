//! Which probe an answer belongs to, and what the quote shows otherwise than it left.

pub(super) mod flow;
pub(super) mod keys;
pub(super) mod matching;
pub(super) mod rewritten;
pub(super) mod signature;
