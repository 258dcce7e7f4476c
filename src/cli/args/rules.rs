//! What a command line cannot combine: one table per tool, checked once, before anything is read or opened.

use crate::cli::error::CliError;

/// Why `--json` is refused with another format.
pub const FORMATS: &str = " cannot be used together with --format <FORMAT>";

/// Why `--json=brief` is refused without a sweep.
pub const BRIEF: &str = ": only a sweep of rping writes short objects; give --json";

/// Options that are refused in one situation: a mode, a method, or always. `R` is what follows from the command line `A`.
pub struct Group<R: 'static, A: 'static> {
    /// The situation.
    pub when: fn(&R) -> bool,
    /// What is refused in it.
    pub rows: &'static [Row<A>],
}

/// Whether an option was given, its name, and the rest of the sentence that refuses it.
pub type Row<A> = (fn(&A) -> bool, &'static str, &'static str);

/// A refusal with values of the command line in its sentence.
pub type Limit<R, A> = fn(&R, &A) -> Option<String>;

/// Checks a command line against the table of its tool.
///
/// # Errors
/// The sentence of the first row, then of the first limit, that refuses it.
pub fn check<R, A>(request: &R, args: &A, table: &[Group<R, A>], limits: &[Limit<R, A>]) -> Result<(), CliError> {
    let mut rows = table.iter().filter(|group| (group.when)(request)).flat_map(|group| group.rows);
    let row = rows.find(|(is_given, ..)| is_given(args)).map(|(_, option, why)| format!("{option}{why}"));
    match row.or_else(|| limits.iter().find_map(|limit| limit(request, args))) {
        Some(sentence) => Err(CliError::Refused(sentence)),
        None => Ok(()),
    }
}
