//! What a program needs to run, as `ldd` tells: its loader, its libraries, and those that are missing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;

const LDD_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedObjects {
    /// The program that loads the program, at its absolute path; none for a static one.
    pub(crate) loader: Option<PathBuf>,
    /// File name as the program asks for it, and where it was found.
    pub(crate) found: Vec<(String, PathBuf)>,
    pub(crate) missing: Vec<String>,
}

impl SharedObjects {
    pub(crate) fn of(program: &Path, library_path: Option<&OsStr>) -> anyhow::Result<SharedObjects> {
        let mut ldd = Command::new("ldd");
        ldd.arg(program).envs(library_path.map(|path| ("LD_LIBRARY_PATH", path)));
        // ldd fails on a static program, for which an empty answer is the right one.
        Ok(parse(&process::capture(&mut ldd, LDD_LIMIT)?.stdout))
    }
}

fn parse(listing: &str) -> SharedObjects {
    let mut objects = SharedObjects::default();
    for line in listing.lines().map(str::trim) {
        match line.split_once(" => ") {
            Some((name, "not found")) => objects.missing.push(name.to_owned()),
            Some((name, place)) => objects.found.push((name.to_owned(), path_in(place))),
            None if line.starts_with('/') => objects.loader = Some(path_in(line)),
            // The kernel's own object (linux-vdso) has no file, and "statically linked" names none.
            None => {}
        }
    }
    objects
}

/// `/lib/libm.so.6 (0x00007f...)` without the address.
fn path_in(place: &str) -> PathBuf {
    PathBuf::from(place.split(" (").next().unwrap_or(place))
}

/// The Debian packages that may hold a library: the policy names them after the file, `libhiredis.so.0.14` in
/// libhiredis0.14 and `liblua5.1.so.0` in liblua5.1-0, and the change to 64-bit time added `t64` to many.
pub(crate) fn debian_packages_for(library: &str) -> Vec<String> {
    let Some((base, version)) = library.split_once(".so.") else { return Vec::new() };
    let hyphen = if base.ends_with(|c: char| c.is_ascii_digit()) { "-" } else { "" };
    let name = format!("{base}{hyphen}{version}").to_lowercase().replace('_', "-");
    vec![format!("{name}t64"), name]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\tlinux-vdso.so.1 (0x00007f42fdf87000)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f42fdea1000)
\tliblzf.so.1 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f42fdfa5000)
";

    #[test]
    fn libraries_loader_and_gaps_are_told_apart() {
        let objects = parse(LISTING);
        assert_eq!(objects.loader, Some("/lib64/ld-linux-x86-64.so.2".into()));
        assert_eq!(objects.found, [("libm.so.6".to_owned(), "/lib/x86_64-linux-gnu/libm.so.6".into())]);
        assert_eq!(objects.missing, ["liblzf.so.1"]);
    }

    #[test]
    fn a_static_program_needs_nothing() {
        assert_eq!(parse("\tstatically linked\n"), SharedObjects::default());
    }

    #[test]
    fn our_own_program_has_what_it_needs() {
        let objects = SharedObjects::of(&std::env::current_exe().unwrap(), None).unwrap();
        assert!(objects.missing.is_empty(), "{objects:?}");
        assert!(objects.found.iter().all(|(_, path)| path.is_file()), "{objects:?}");
    }

    #[test]
    fn debian_names_a_package_after_its_library() {
        assert_eq!(debian_packages_for("libhiredis.so.0.14")[1], "libhiredis0.14");
        assert_eq!(debian_packages_for("liblua5.1.so.0")[1], "liblua5.1-0");
        assert_eq!(debian_packages_for("libssl.so.3")[0], "libssl3t64");
        assert!(debian_packages_for("libplugin.so").is_empty());
    }
}
