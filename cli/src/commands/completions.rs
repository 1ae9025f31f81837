//! `flotilla completions`: what a shell needs to know to complete the command line.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output;

const EXAMPLES: &str = "\
To install:
  bash        flotilla completions bash > ~/.local/share/bash-completion/completions/flotilla
  zsh         flotilla completions zsh > \"${fpath[1]}/_flotilla\"
  fish        flotilla completions fish > ~/.config/fish/completions/flotilla.fish
  powershell  flotilla completions powershell >> $PROFILE
  elvish      flotilla completions elvish >> ~/.config/elvish/rc.elv";

/// Prints completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<Exit> {
        output::print(&generate(self.shell)?)?;
        Ok(Exit::Fine)
    }
}

fn generate(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flotilla", &mut script);
    Ok(String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in Shell::value_variants() {
            let script = generate(*shell).unwrap();
            for command in Cli::command().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{shell} does not know {name}");
            }
            assert!(script.contains("until-idle"), "{shell} does not know flags");
        }
    }
}
