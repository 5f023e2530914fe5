use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// `--help` of every command, in one text.
fn help_of(mut command: clap::Command, name: &str, all: &mut String) {
    let heading = format!("$ {name} --help\n");
    all.push_str(&heading);
    all.push_str(&command.clone().bin_name(name).render_long_help().to_string());
    all.push('\n');
    let commands: Vec<clap::Command> = command.get_subcommands_mut().map(|inner| inner.clone()).collect();
    for inner in commands {
        let name = format!("{name} {}", inner.get_name());
        help_of(inner, &name, all);
    }
}

#[test]
fn help() {
    let mut all = String::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    help_of(command, "herald", &mut all);
    insta::assert_snapshot!(all);
}
