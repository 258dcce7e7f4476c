//! The last target of `cargo test`: lists the tests that did not run, and why.

mod list;

fn main() {
    // Runners that ask for a list of tests get none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let list = list::take();
    match list.lines().count() {
        0 => println!("\nno test was left out\n"),
        count => println!("\n{count} tests DID NOT RUN:\n{list}"),
    }
}
