//! `rping`: whether and how fast a target answers.

fn main() -> std::process::ExitCode {
    netprobe::cli::real_main(netprobe::cli::rping)
}
