//! `rtrace`: the path to a target.

fn main() -> std::process::ExitCode {
    netprobe::cli::real_main(netprobe::cli::rtrace)
}
