//! A process in a terminal, as somebody would see it who sits there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::eventually;

/// A running process and its screen. It is killed on drop, and shows the screen where the test fails.
pub struct Terminal {
    child: Child,
    keyboard: File,
    seen: Arc<Mutex<Seen>>,
    /// Ends when all was read that the process wrote.
    reader: JoinHandle<()>,
}

struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Terminal {
    pub(super) fn start(mut command: Command, columns: u16, lines: u16) -> Self {
        let (keyboard, side) = pair().expect("a terminal can be made");
        tcsetwinsize(&keyboard, size(columns, lines)).expect("a terminal has a size");
        let stream = || side.try_clone().expect("a stream can be shared");
        let child = command
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        // Only the process holds the other side now, so that its end is seen.
        drop(command);
        let seen = Arc::new(Mutex::new(Seen {
            screen: vt100::Parser::new(at_least_one(lines), at_least_one(columns), 0),
            bytes: Vec::new(),
        }));
        let (mut screen, shown) = (
            File::from(keyboard.try_clone().expect("a stream can be shared")),
            Arc::clone(&seen),
        );
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                shown.screen.process(&bytes[..count]);
                shown.bytes.extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            child,
            keyboard: File::from(keyboard),
            seen,
            reader,
        }
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// Where nobody is there to read it.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("somebody reads the keys");
    }

    /// What the screen shows.
    #[must_use]
    pub fn screen(&self) -> String {
        self.look(|seen| seen.screen.screen().contents())
    }

    /// All that was written.
    #[must_use]
    pub fn written(&self) -> String {
        self.look(|seen| String::from_utf8_lossy(&seen.bytes).into_owned())
    }

    /// Waits until the screen is as `probe` says.
    ///
    /// # Panics
    ///
    /// After `timeout`.
    pub async fn until(&self, what: &str, timeout: Duration, probe: impl Fn(&str) -> bool) {
        eventually(what, timeout, || {
            let is_so = probe(&self.screen()).then_some(());
            async move { is_so }
        })
        .await;
    }

    /// Makes the window another size.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub fn resize(&self, columns: u16, lines: u16) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.screen.set_size(at_least_one(lines), at_least_one(columns));
        drop(seen);
        tcsetwinsize(&self.keyboard, size(columns, lines)).expect("a terminal has a size");
        // The process does not lead a session, so the kernel does not tell it.
        self.signal(Signal::WINCH);
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// Where the process has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .expect("a child can be signalled until it is waited for");
    }

    /// Waits for the end of the process, and until all that it wrote is on the screen.
    ///
    /// # Panics
    ///
    /// After `timeout`.
    pub async fn wait(&mut self, timeout: Duration) -> ExitStatus {
        eventually("the end of a process in a terminal", timeout, || {
            let status = self.child.try_wait().expect("a child can be looked at");
            let status = status.filter(|_| self.reader.is_finished());
            async move { status }
        })
        .await
    }

    /// True where the terminal is as a shell expects it: it echoes, takes lines, shows its cursor and its own screen.
    ///
    /// # Panics
    ///
    /// Where it is no terminal.
    #[must_use]
    pub fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.keyboard)
            .expect("a terminal has modes")
            .local_modes;
        let is_cooked = modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        is_cooked
            && self.look(|seen| {
                let screen = seen.screen.screen();
                !screen.alternate_screen() && !screen.hide_cursor()
            })
    }

    fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the screen ---\n{}\n---", self.screen());
        }
    }
}

/// Both sides of a new terminal: that of the one who sits there, and that of the process.
fn pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = std::ffi::OsString::from_vec(ptsname(&ours, Vec::new())?.into_bytes());
    let no_tty = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or_default();
    let theirs = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_tty)
        .open(name)?;
    Ok((ours, theirs.into()))
}

fn size(columns: u16, lines: u16) -> Winsize {
    Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn at_least_one(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}
