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
