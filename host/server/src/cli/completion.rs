//! `completion`: what a shell needs to complete our commands, on standard output.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use super::Cli;
use super::error::CliError;

#[derive(Debug, Args)]
#[command(after_help = "Install it:
  bash  jackfield completion bash > ~/.local/share/bash-completion/completions/jackfield
  zsh   jackfield completion zsh > \"${fpath[1]}/_jackfield\"
  fish  jackfield completion fish > ~/.config/fish/completions/jackfield.fish")]
pub(super) struct CompletionArgs {
    /// The shell
    shell: For,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(args: &CompletionArgs) -> Result<(), CliError> {
    let shell = match args.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "jackfield", &mut script);
    // As it is: a script is no text to be shown. A reader that went away is no error.
    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), &script);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            generate(shell, &mut Cli::command(), "jackfield", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["rollback", "deadletters", "plan"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
        }
    }
}
