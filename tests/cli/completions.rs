//! Scripts with which shells complete the command lines.

use std::process::Command;

use crate::world::World;

/// The words that bash offers at the end of `line`, with the script of this tool loaded.
fn offered(tool: &str, line: &str) -> Vec<String> {
    let script = World::new().run(&format!("{tool} --generate bash"));
    assert_eq!((script.status, &*script.stderr), (0, ""));
    let ask = r#"
        read -ra COMP_WORDS <<<"$1"
        [[ $1 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        "_${COMP_WORDS[0]}" "${COMP_WORDS[0]}" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["-c", &format!("{}{ask}", script.stdout), "bash", line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_options_and_their_values() {
    assert_eq!(offered("rping", "rping --inte"), ["--interval", "--interface"]);
    assert_eq!(offered("rping", "rping --socket "), ["auto", "raw", "dgram"]);
    assert_eq!(offered("rtrace", "rtrace -M tcp"), ["tcp", "tcpconn"]);
    assert_eq!(offered("rpong", "rpong --format j"), ["json"]);
}

#[test]
fn zsh_and_fish_have_scripts_of_every_tool() {
    for tool in ["rping", "rtrace", "rpong"] {
        let script = |shell: &str| World::new().run(&format!("{tool} --generate {shell}")).stdout;
        assert!(script("zsh").starts_with(&format!("#compdef {tool}\n")), "{tool}");
        assert!(script("fish").contains(&format!("complete -c {tool} -l format ")), "{tool}");
    }
}

#[test]
fn the_manual_of_each_tool_is_in_it_as_it_is_installed() {
    for tool in ["rping", "rtrace", "rpong"] {
        let installed = std::fs::read_to_string(format!("{}/man/{tool}.1", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(World::new().run(&format!("{tool} --generate man")).stdout, installed, "{tool}");
    }
}

#[test]
fn the_short_help_is_the_most_used_options_and_the_long_one_all() {
    for tool in ["rping", "rtrace", "rpong"] {
        let help = |option: &str| {
            let run = World::new().run(&format!("{tool} {option}"));
            assert_eq!((run.status, &*run.stderr), (0, ""), "{tool} {option}");
            run.stdout
        };
        let (short, long) = (help("-h"), help("--help"));
        assert!(short.contains("\nExamples:\n") && !long.contains("\nExamples:\n"), "{tool}");
        assert!(long.contains("--no-sandbox") && !short.contains("--no-sandbox"), "{tool}");
        assert!(long.contains(&format!("{tool} --generate man")), "{tool}");
    }
}
