//! Lua scripts on Redis: taught when a connection is made, run by digest, taught again when Redis forgot.
//! What each script does is written where it is used.

use fred::{
    clients::Client,
    error::Error,
    interfaces::LuaInterface as _,
    types::{FromValue, Value},
};

use crate::{limiter, link::Session, tasks};

/// The scripts of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    CountRequest,
    StartTask,
    ApproveTask,
}

/// What Redis calls the scripts, in the order of [`Script::ALL`].
#[derive(Clone, Debug)]
pub(crate) struct Digests([String; Script::ALL.len()]);

impl Script {
    const ALL: [Self; 3] = [Self::CountRequest, Self::StartTask, Self::ApproveTask];

    fn text(self) -> &'static str {
        match self {
            Self::CountRequest => limiter::SCRIPT,
            Self::StartTask => tasks::START,
            Self::ApproveTask => tasks::APPROVE,
        }
    }
}

/// Teaches Redis all scripts.
pub(crate) async fn load(client: &Client) -> Result<Digests, Error> {
    let mut digests = [const { String::new() }; Script::ALL.len()];
    for script in Script::ALL {
        digests[script as usize] = client.script_load(script.text()).await?;
    }
    Ok(Digests(digests))
}

/// By its digest, which Redis forgets on a restart or `SCRIPT FLUSH`; then by its text, which teaches it again.
pub(crate) async fn run<R: FromValue>(
    session: &Session,
    script: Script,
    keys: Vec<String>,
    args: Vec<Value>,
) -> Result<R, Error> {
    let digest = session.scripts.0[script as usize].clone();
    match session.client.evalsha(digest, keys.clone(), args.clone()).await {
        Err(error) if error.details().starts_with("NOSCRIPT") => session.client.eval(script.text(), keys, args).await,
        answer => answer,
    }
}
