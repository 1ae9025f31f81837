//! Starts private servers, runs a command that finds them through its environment, and stops them.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use flotilla_tests::servers::guard::{Signals, exit_code_of, run};
use flotilla_tests::servers::{Selection, Servers};
use tokio::time::Instant;

const USAGE: &str = "\
Usage: servers [--only LIST] [--] [COMMAND ARGS…]

Starts a private RabbitMQ, Redis and PostgreSQL on free loopback ports, runs COMMAND with FLOTILLA_TEST_AMQP_URL,
FLOTILLA_TEST_AMQP_MANAGEMENT_URL, FLOTILLA_TEST_REDIS_URL, FLOTILLA_TEST_POSTGRES_URL and FLOTILLA_TEST_FOLDER set, stops
the servers, removes their files and exits as COMMAND did.

Without COMMAND it prints the variables as shell lines and waits for Ctrl-C.

  --only LIST   start some of them only, for example --only redis,postgres
  --help        print this";

struct Options {
    selection: Selection,
    command: Vec<OsString>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Options::parse(env::args_os().skip(1)) {
        Ok(Some(options)) => serve(options).await,
        Ok(None) => {
            println!("{USAGE}");
            Ok(0)
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("servers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The servers stop when this returns, because they are dropped here, whichever way it returns.
async fn serve(options: Options) -> Result<u8> {
    let mut signals = Signals::catch()?;
    let began = Instant::now();
    let servers = tokio::select! {
        started = Servers::start(options.selection) => started?,
        signal = signals.next() => return Ok(exit_code_of(signal)),
    };
    let took = began.elapsed().as_secs_f64();
    eprintln!(
        "servers: ready after {took:.1} s in {}",
        servers.folder().display()
    );
    if options.command.is_empty() {
        print_exports(&servers);
        eprintln!("servers: waiting for Ctrl-C");
        signals.next().await;
        return Ok(0);
    }
    let began = Instant::now();
    let code = run(&options.command, &servers.env(), &mut signals).await?;
    eprintln!(
        "servers: the command ended with {code} after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(code)
}

fn print_exports(servers: &Servers) {
    for (name, value) in servers.env() {
        println!("export {name}='{value}'");
    }
}

impl Options {
    /// `None` asks for help.
    fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Option<Self>> {
        let mut arguments = arguments.peekable();
        let mut selection = Selection::ALL;
        while let Some(option) = arguments.next_if(|argument| argument.to_string_lossy().starts_with('-')) {
            match option.to_string_lossy().as_ref() {
                "--" => break,
                "--help" | "-h" => return Ok(None),
                "--only" => {
                    let list = arguments.next().context("--only needs a list")?;
                    selection = Selection::parse(&list.to_string_lossy())?;
                }
                other => bail!("unknown option {other}\n\n{USAGE}"),
            }
        }
        Ok(Some(Self {
            selection,
            command: arguments.collect(),
        }))
    }
}
