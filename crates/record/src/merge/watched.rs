//! What was watched while the parts ran, on the whole's clock: each file from the first part that has it.

use super::{MergeError, Part};
use crate::calibration::Calibration;
use crate::clock::Offset;
use crate::events::{Event, Events};
use crate::failures::{FailureFact, Failures};
use crate::files::{FactFile, FactKind, FactWriter};
use crate::keys::{Keys, KeysFact};
use crate::logs::{LogFact, Logs};
use crate::run::RunDir;
use crate::series::{Containers, Host, NamedFact, Pool, Postgres, Probes, Process, Redis, SeriesFact};

/// Copies the files of observers; what was left out becomes a sentence.
pub(super) fn copy(parts: &[Part], run: &RunDir) -> Result<Vec<String>, MergeError> {
    let mut notes = Vec::new();
    notes.extend(first_of::<Redis>(parts, run, series)?);
    notes.extend(first_of::<Postgres>(parts, run, series)?);
    notes.extend(first_of::<Pool>(parts, run, series)?);
    notes.extend(first_of::<Containers>(parts, run, named)?);
    notes.extend(first_of::<Probes>(parts, run, named)?);
    notes.extend(first_of::<Keys>(parts, run, keys)?);
    notes.extend(first_of::<Host>(parts, run, series)?);
    notes.extend(first_of::<Process>(parts, run, series)?);
    notes.extend(first_of::<Logs>(parts, run, log)?);
    notes.extend(first_of::<Events>(parts, run, event)?);
    failures(parts, run)?;
    let calibrations: Vec<Option<Calibration>> =
        parts.iter().map(|part| part.run.calibration().ok().flatten()).collect();
    // What is known of one machine says nothing about another.
    if let Some(Some(calibration)) = calibrations.first()
        && parts.iter().all(|part| part.run.info().machine == parts[0].run.info().machine)
    {
        run.store_calibration(calibration)?;
    }
    Ok(notes)
}

/// A fact at another time.
type Moved<F> = fn(&F, &dyn Fn(Offset) -> Offset) -> F;

fn first_of<K: FactKind>(parts: &[Part], run: &RunDir, moved: Moved<K::Fact>) -> Result<Option<String>, MergeError>
where
    K::Header: Clone,
{
    let mut found = Vec::new();
    for part in parts {
        found.extend(FactFile::<K>::read(part.run.path())?.map(|file| (part, file)));
    }
    let Some((part, file)) = found.first() else { return Ok(None) };
    let move_by = |at| part.moved(at);
    let at = part.moved(file.header.at_ns);
    let mut writer = FactWriter::<K>::create(run.path(), &file.header.producer, at, file.header.body.clone())?;
    for fact in &file.facts {
        writer.write(&moved(fact, &move_by))?;
    }
    match &file.end {
        Some(end) => writer.finish(part.moved(end.at_ns), end.reason)?,
        None => writer.flush()?,
    }
    let others = found.len() - 1;
    Ok((others > 0).then(|| {
        let (file, number) = (K::FILE, part.segment.number);
        format!("{file} is that of segment {number}; {others} more stay in the directories of their segments")
    }))
}

/// Answers that failed are few, and those of all parts are kept.
fn failures(parts: &[Part], run: &RunDir) -> Result<(), MergeError> {
    let mut whole: Option<FactWriter<Failures>> = None;
    let mut end = None;
    for part in parts {
        let Some(file) = FactFile::<Failures>::read(part.run.path())? else { continue };
        if whole.is_none() {
            let (at, header) = (part.moved(file.header.at_ns), &file.header);
            whole = Some(FactWriter::create(run.path(), &header.producer, at, header.body)?);
        }
        let Some(writer) = &mut whole else { continue };
        for fact in &file.facts {
            writer.write(&failure(fact, &|at| part.moved(at)))?;
        }
        end = file.end.map(|end| (part.moved(end.at_ns), end.reason));
    }
    match (whole, end) {
        (Some(writer), Some((at, reason))) => Ok(writer.finish(at, reason)?),
        (Some(mut writer), None) => Ok(writer.flush()?),
        (None, _) => Ok(()),
    }
}

fn series(fact: &SeriesFact, moved: &dyn Fn(Offset) -> Offset) -> SeriesFact {
    let mut fact = fact.clone();
    let at = time_of(&mut fact);
    *at = moved(*at);
    fact
}

fn time_of(fact: &mut SeriesFact) -> &mut Offset {
    match fact {
        SeriesFact::Sample(sample) => &mut sample.at_ns,
        SeriesFact::Gap(gap) => &mut gap.at_ns,
        SeriesFact::Mark(mark) => &mut mark.at_ns,
        SeriesFact::Detail(detail) => &mut detail.at_ns,
        SeriesFact::Node(row) => time_of(&mut row.fact),
    }
}

fn named(fact: &NamedFact, moved: &dyn Fn(Offset) -> Offset) -> NamedFact {
    NamedFact { of: fact.of.clone(), fact: series(&fact.fact, moved) }
}

fn keys(fact: &KeysFact, moved: &dyn Fn(Offset) -> Offset) -> KeysFact {
    let mut fact = fact.clone();
    let at = match &mut fact {
        KeysFact::Checkpoint(checkpoint) => &mut checkpoint.at_ns,
        KeysFact::Gap { at_ns, .. } => at_ns,
    };
    *at = moved(*at);
    fact
}

fn log(fact: &LogFact, moved: &dyn Fn(Offset) -> Offset) -> LogFact {
    let mut fact = fact.clone();
    let at = match &mut fact {
        LogFact::Counts(counts) => &mut counts.at_ns,
        LogFact::Example { at_ns, .. } | LogFact::Gap { at_ns, .. } => at_ns,
    };
    *at = moved(*at);
    fact
}

fn event(fact: &Event, moved: &dyn Fn(Offset) -> Offset) -> Event {
    let mut fact = fact.clone();
    let at = match &mut fact {
        Event::Alert { at_ns, .. }
        | Event::Stop { at_ns, .. }
        | Event::CommandEnded { at_ns, .. }
        | Event::Mark { at_ns, .. } => at_ns,
    };
    *at = moved(*at);
    fact
}

fn failure(fact: &FailureFact, moved: &dyn Fn(Offset) -> Offset) -> FailureFact {
    let mut fact = fact.clone();
    if let FailureFact::Failed(answer) = &mut fact {
        (answer.at_ns, answer.intended_ns) = (moved(answer.at_ns), moved(answer.intended_ns));
    }
    fact
}
