//! Where things lie: the source tree, and the scratch directory under `target/` for what we make ourselves.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::sweeper::{self, Promise};

#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    scratch: PathBuf,
}

impl Workspace {
    /// The workspace this xtask belongs to: cargo says so when it starts us, and else where we were compiled.
    pub(crate) fn find() -> anyhow::Result<Workspace> {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = [Path::new(&manifest_dir), Path::new(env!("CARGO_MANIFEST_DIR"))]
            .into_iter()
            .filter_map(Path::parent)
            .find(|dir| dir.join("xtask/Cargo.toml").is_file())
            .context("cannot find the workspace: run `cargo xtask` inside it")?;
        Ok(Workspace { root: root.to_owned(), scratch: root.join("target/xtask") })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A directory under `target/` that stays from one call to the next.
    pub(crate) fn kept_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.scratch.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// A directory of our own under `target/`, gone when dropped, and when xtask is killed.
    pub(crate) fn scratch_dir(&self, prefix: &str) -> anyhow::Result<TempDir> {
        let parent = self.kept_dir("scratch")?;
        let dir = tempfile::Builder::new()
            .prefix(&format!("{prefix}-"))
            .tempdir_in(&parent)
            .with_context(|| format!("cannot create a directory in {}", parent.display()))?;
        sweeper::promise(&Promise::Directory { path: dir.path().to_owned() });
        Ok(dir)
    }
}

/// Leaves a scratch directory where it is.
pub(crate) fn keep(dir: TempDir) -> PathBuf {
    let path = dir.keep();
    sweeper::release(&Promise::Directory { path: path.clone() });
    path
}
