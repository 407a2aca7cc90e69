//! Container images for the stack, made without a build file or a registry: a program of this machine and the
//! libraries it names, in an otherwise empty file system. So the container runs the very binary that was built.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::engine::Engine;
use crate::process::{capture, capture_ok};
use crate::redis::RedisServer;
use crate::say;
use crate::shared_objects::SharedObjects;
use crate::workspace::Workspace;

const REDIS_PUBLIC: &str = "redis:7";
const REDIS_LOCAL: &str = "plimsoll/redis:local";
const SERVICE_LOCAL: &str = "plimsoll/example-service:local";

const ENGINE_LIMIT: Duration = Duration::from_secs(120);
const PULL_LIMIT: Duration = Duration::from_secs(600);

/// glibc before 2.34 loads these by name when it looks a host up, so no program lists them.
const NAME_SERVICE_LIBRARIES: [&str; 3] = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

/// The Redis image: the public one when it is here or can be had, else one made of this machine's redis-server.
pub(crate) fn redis(engine: &Engine, workspace: &Workspace) -> anyhow::Result<String> {
    if is_present(engine, REDIS_PUBLIC)? {
        return Ok(REDIS_PUBLIC.to_owned());
    }
    say::step(format!("pulling {REDIS_PUBLIC}"));
    let pull = capture(engine.command().args(["pull", "--quiet", REDIS_PUBLIC]), PULL_LIMIT)?;
    if pull.succeeded() {
        return Ok(REDIS_PUBLIC.to_owned());
    }
    let server = RedisServer::provide(workspace)?;
    say::warn(format!(
        "{REDIS_PUBLIC} cannot be pulled ({}), so {REDIS_LOCAL} is made of {}",
        pull.complaint(),
        server.program().display()
    ));
    let contents = Contents { program: server.program(), name: "redis-server", library_path: server.library_path() };
    make(engine, workspace, REDIS_LOCAL, &contents)
}

/// The image of the example service, made anew each time: the binary may have changed.
pub(crate) fn service(engine: &Engine, workspace: &Workspace, program: &Path) -> anyhow::Result<String> {
    let contents = Contents { program, name: "example-service", library_path: None };
    make(engine, workspace, SERVICE_LOCAL, &contents)
}

/// What goes into an image.
#[derive(Debug)]
struct Contents<'a> {
    program: &'a Path,
    /// Its name inside, which is on PATH there.
    name: &'a str,
    library_path: Option<&'a OsString>,
}

fn is_present(engine: &Engine, image: &str) -> anyhow::Result<bool> {
    Ok(image_id(engine, image)?.is_some())
}

fn image_id(engine: &Engine, image: &str) -> anyhow::Result<Option<String>> {
    let mut inspect = engine.command();
    inspect.args(["image", "inspect", "--format", "{{.Id}}", image]);
    let finished = capture(&mut inspect, ENGINE_LIMIT)?;
    Ok(finished.succeeded().then(|| finished.stdout.trim().to_owned()))
}

fn make(engine: &Engine, workspace: &Workspace, tag: &str, contents: &Contents<'_>) -> anyhow::Result<String> {
    let scratch = workspace.scratch_dir("image")?;
    let (root, archive) = (scratch.path().join("root"), scratch.path().join("image.tar"));
    lay_out(&root, contents).with_context(|| format!("cannot lay out the image {tag}"))?;
    capture_ok(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."), ENGINE_LIMIT)?;

    let previous = image_id(engine, tag)?;
    import(engine, tag, contents.name, &archive)?;
    if let Some(previous) = previous {
        // Refused while a container of another run uses it; that run's successor will try again.
        capture(engine.command().args(["rmi", &previous]), ENGINE_LIMIT)?;
    }
    Ok(tag.to_owned())
}

fn import(engine: &Engine, tag: &str, name: &str, archive: &Path) -> anyhow::Result<()> {
    let mut import = engine.command();
    import.args(["import", "--change", &format!("ENTRYPOINT [\"/bin/{name}\"]")]);
    import.args(["--change", "ENV PATH=/bin", "--change", "ENV LD_LIBRARY_PATH=/lib", "--change", "WORKDIR /data"]);
    import.arg(archive).arg(tag);
    capture_ok(&mut import, ENGINE_LIMIT).map(drop)
}

/// `/bin/<name>`, its libraries in `/lib`, the loader where the program expects it, and a few empty directories.
fn lay_out(root: &Path, contents: &Contents<'_>) -> anyhow::Result<()> {
    for dir in ["bin", "lib", "data", "logs", "tmp"] {
        fs::create_dir_all(root.join(dir))?;
    }
    let objects = SharedObjects::of(contents.program, contents.library_path.map(OsString::as_os_str))?;
    if !objects.missing.is_empty() {
        bail!("{} misses {}", contents.program.display(), objects.missing.join(", "));
    }
    copy(contents.program, &root.join("bin").join(contents.name))?;
    for (name, library) in objects.found.iter().chain(&name_service_libraries(&objects)) {
        copy(library, &root.join("lib").join(name))?;
    }
    match &objects.loader {
        Some(loader) => copy(loader, &below(root, loader)),
        None => Ok(()),
    }
}

fn name_service_libraries(objects: &SharedObjects) -> Vec<(String, PathBuf)> {
    let libc = objects.found.iter().find(|(name, _)| name == "libc.so.6");
    let Some(dir) = libc.and_then(|(_, path)| path.parent()) else { return Vec::new() };
    let beside = NAME_SERVICE_LIBRARIES.iter().map(|name| ((*name).to_owned(), dir.join(name)));
    beside.filter(|(_, path)| path.is_file()).collect()
}

fn below(root: &Path, absolute: &Path) -> PathBuf {
    root.join(absolute.strip_prefix(OsStr::new("/")).unwrap_or(absolute))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_laid_out_with_everything_it_names() {
        let root = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let contents = Contents { program: &program, name: "service", library_path: None };
        lay_out(root.path(), &contents).unwrap();
        let objects = SharedObjects::of(&program, None).unwrap();
        assert!(root.path().join("bin/service").is_file());
        for (name, _) in &objects.found {
            assert!(root.path().join("lib").join(name).is_file(), "{name}");
        }
        if let Some(loader) = &objects.loader {
            assert!(below(root.path(), loader).is_file(), "{}", loader.display());
        }
    }

    #[test]
    fn the_loader_keeps_its_place_below_the_root() {
        assert_eq!(below(Path::new("/image"), Path::new("/lib64/ld.so")), Path::new("/image/lib64/ld.so"));
    }
}
