//! Redis on Debian and Ubuntu without installing anything: the packages are fetched with `apt-get download` and
//! unpacked below `target/`, where a later call finds them. Neither root nor the package database is touched.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::interrupt;
use crate::process::{capture, capture_ok};
use crate::redis::RedisServer;
use crate::say;
use crate::shared_objects::{SharedObjects, debian_packages_for};
use crate::workspace::Workspace;

const PACKAGES: [&str; 5] = ["redis-server", "redis-tools", "liblzf1", "libjemalloc2", "libatomic1"];
const SYSTEM_LISTS: &str = "/var/lib/apt/lists";
const FETCH_LIMIT: Duration = Duration::from_secs(300);
const UNPACK_LIMIT: Duration = Duration::from_secs(60);
/// Each round fetches the libraries that the ones before turned out to need.
const LIBRARY_ROUNDS_MAX: usize = 5;

pub(crate) fn provide(workspace: &Workspace) -> anyhow::Result<RedisServer> {
    let home = workspace.kept_dir("redis")?;
    let unpacked = home.join("root");
    if !program_in(&unpacked).is_file() {
        say::step(format!("fetching {} into {}", PACKAGES.join(", "), home.display()));
        fetch(workspace, &unpacked)?;
    }
    server_in(&home, &unpacked)
}

/// Unpacks beside the final place and moves it there when it is whole, so that a broken fetch leaves nothing half.
fn fetch(workspace: &Workspace, unpacked: &Path) -> anyhow::Result<()> {
    let scratch = workspace.scratch_dir("redis")?;
    let root = scratch.path().join("root");
    let downloads = scratch.path().join("packages");
    fs::create_dir_all(&downloads)?;
    if !fetch_by_system_lists(&downloads, &root)? {
        say::step("refreshing package lists below target/, for the system's own do not do");
        Apt::with_own_lists(scratch.path(), downloads)?.fetch_redis(&root)?;
    }
    match fs::rename(&root, unpacked) {
        // Another xtask was faster; its copy is as good.
        Err(_) if program_in(unpacked).is_file() => Ok(()),
        moved => moved.with_context(|| format!("cannot move Redis to {}", unpacked.display())),
    }
}

/// Whether the lists of the system were enough: they may be empty, as in fresh containers, or so old that the
/// archive has dropped what they name.
fn fetch_by_system_lists(downloads: &Path, root: &Path) -> anyhow::Result<bool> {
    if !has_lists(Path::new(SYSTEM_LISTS)) {
        return Ok(false);
    }
    let apt = Apt { options: Vec::new(), downloads: downloads.to_owned() };
    match apt.fetch_redis(root) {
        Ok(()) => Ok(true),
        Err(error) => {
            interrupt::check()?;
            say::warn(format!("the package lists of this system do not do: {error:#}"));
            Ok(false)
        }
    }
}

fn add_missing_libraries(apt: &Apt, root: &Path) -> anyhow::Result<()> {
    for _ in 0..LIBRARY_ROUNDS_MAX {
        let missing = SharedObjects::of(&program_in(root), Some(&library_path(root)))?.missing;
        if missing.is_empty() {
            return Ok(());
        }
        let mut found_any = false;
        for library in &missing {
            found_any |= apt.download_library(library, root)?;
        }
        if !found_any {
            bail!("redis-server needs {}, and no package is named after it", missing.join(", "));
        }
    }
    bail!("redis-server still misses libraries after {LIBRARY_ROUNDS_MAX} rounds")
}

fn server_in(home: &Path, root: &Path) -> anyhow::Result<RedisServer> {
    let (program, libraries) = (program_in(root), library_path(root));
    let launcher = home.join("redis-server");
    write_launcher(&launcher, &program, &libraries)?;
    Ok(RedisServer::unpacked(program, libraries, launcher))
}

/// A script under the usual name, so that tests and people can start it by one path.
fn write_launcher(launcher: &Path, program: &Path, libraries: &OsString) -> anyhow::Result<()> {
    let script =
        format!("#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n", libraries.to_string_lossy(), program.display());
    if fs::read_to_string(launcher).is_ok_and(|present| present == script) {
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        fs::write(launcher, &script)?;
        fs::set_permissions(launcher, fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("cannot write {}", launcher.display()))
}

fn program_in(root: &Path) -> PathBuf {
    root.join("usr/bin/redis-server")
}

/// Every directory below `usr/lib` and `lib`: packages put libraries beside or one deeper, by architecture.
fn library_path(root: &Path) -> OsString {
    let parents = ["usr/lib", "lib"].map(|dir| root.join(dir));
    let below = parents.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path());
    let dirs: Vec<PathBuf> = below.filter(|path| path.is_dir()).chain(parents.clone()).collect();
    std::env::join_paths(dirs).expect("a path below our own directories has no colon of its own")
}

/// apt-get with package lists it can use.
#[derive(Debug)]
struct Apt {
    options: Vec<String>,
    downloads: PathBuf,
}

impl Apt {
    /// Fresh lists in a directory of our own, which needs no root.
    fn with_own_lists(dir: &Path, downloads: PathBuf) -> anyhow::Result<Apt> {
        let apt = Apt { options: own_state(dir)?, downloads };
        capture_ok(apt.command("apt-get").arg("update"), FETCH_LIMIT)?;
        Ok(apt)
    }

    fn fetch_redis(&self, root: &Path) -> anyhow::Result<()> {
        self.download_and_unpack(&PACKAGES, root)?;
        add_missing_libraries(self, root)
    }

    fn knows(&self, package: &str) -> anyhow::Result<bool> {
        let mut show = self.command("apt-cache");
        Ok(capture(show.args(["show", "--no-all-versions", package]), UNPACK_LIMIT)?.succeeded())
    }

    fn download_and_unpack(&self, packages: &[&str], root: &Path) -> anyhow::Result<()> {
        let mut download = self.command("apt-get");
        download.arg("download").args(packages).current_dir(&self.downloads);
        capture_ok(&mut download, FETCH_LIMIT)?;
        self.unpack_all(root)
    }

    /// Whether a package is named after the library. Where none is, another one may bring it along, as libssl3 does
    /// with libcrypto.so.3.
    fn download_library(&self, library: &str, root: &Path) -> anyhow::Result<bool> {
        for package in debian_packages_for(library) {
            if self.knows(&package)? {
                self.download_and_unpack(&[&package], root)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Unpacks what was downloaded and removes the archives, so that the next round unpacks only its own.
    fn unpack_all(&self, root: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.downloads)? {
            let package = entry?.path();
            capture_ok(Command::new("dpkg-deb").arg("-x").arg(&package).arg(root), UNPACK_LIMIT)?;
            fs::remove_file(&package)?;
        }
        Ok(())
    }

    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        command.args(&self.options).env("LC_ALL", "C");
        command
    }
}

fn has_lists(dir: &Path) -> bool {
    let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.to_string_lossy().contains("_Packages"))
}

/// Lists and cache in a directory of our own.
fn own_state(dir: &Path) -> anyhow::Result<Vec<String>> {
    let (lists, cache) = (dir.join("lists"), dir.join("cache"));
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    Ok(vec![format!("-oDir::State::Lists={}", lists.display()), format!("-oDir::Cache={}", cache.display())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_directory_is_told_from_a_filled_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("partial")).unwrap();
        assert!(!has_lists(dir.path()));
        fs::write(dir.path().join("mirror_main_binary-amd64_Packages.lz4"), "").unwrap();
        assert!(has_lists(dir.path()));
    }

    #[test]
    fn the_launcher_names_the_libraries_and_becomes_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let (program, launcher) = (dir.path().join("program"), dir.path().join("redis-server"));
        fs::write(&program, "#!/bin/sh\necho \"$LD_LIBRARY_PATH $1\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        write_launcher(&launcher, &program, &OsString::from("/a:/b")).unwrap();
        let finished = capture_ok(Command::new(&launcher).arg("--port"), UNPACK_LIMIT).unwrap();
        assert_eq!(finished.stdout, "/a:/b --port\n");
    }

    #[test]
    fn libraries_are_looked_for_one_level_deep() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("usr/lib/x86_64-linux-gnu");
        fs::create_dir_all(&deep).unwrap();
        let dirs: Vec<PathBuf> = std::env::split_paths(&library_path(root.path())).collect();
        assert!(dirs.contains(&deep) && dirs.contains(&root.path().join("usr/lib")), "{dirs:?}");
    }
}
