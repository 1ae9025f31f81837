//! The Lua scripts, and how they get to the server.

use redis::{RedisResult, Script, ScriptInvocation};

use crate::errors::is_no_script;
use crate::link::Link;

/// Everything that must be decided and written in one step.
#[derive(Debug)]
pub(crate) struct Scripts {
    /// Writes a snapshot.
    pub(crate) publish: Script,
    /// Removes a batch.
    pub(crate) forget: Script,
    /// Notes what a worker said.
    pub(crate) heartbeat: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            publish: Script::new(include_str!("lua/publish.lua")),
            forget: Script::new(include_str!("lua/forget.lua")),
            heartbeat: Script::new(include_str!("lua/heartbeat.lua")),
        }
    }
}

/// Runs `script` once per invocation, all in one round trip: two where the server has lost the script.
pub(crate) async fn run(link: &Link, script: &Script, calls: &[ScriptInvocation<'_>]) -> RedisResult<()> {
    let mut pipeline = redis::pipe();
    for call in calls {
        pipeline.invoke_script(call).ignore();
    }
    match link.run(&pipeline).await {
        Err(error) if is_no_script(&error) => {
            let mut again = redis::pipe();
            again.load_script(script).ignore();
            for call in calls {
                again.invoke_script(call).ignore();
            }
            link.run(&again).await
        }
        answer => answer,
    }
}
