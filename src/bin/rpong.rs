//! `rpong`: the other end of a measurement.

fn main() -> std::process::ExitCode {
    netprobe::cli::real_main(netprobe::cli::rpong)
}
