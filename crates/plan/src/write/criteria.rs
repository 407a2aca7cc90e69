//! Criteria, each in a table of its own.

use plimsoll_record::verdict::Severity;

use crate::criteria::{Criterion, Every, OnInconclusive, Options, Scope, When};

use super::{Lines, key, list, quote, quoted_duration};

impl Lines {
    pub(super) fn criterion(&mut self, criterion: &Criterion) {
        self.table(&format!("[criteria.{}]", key(&criterion.id)));
        match criterion.text.split_once(", warn at ").filter(|_| criterion.warn.is_some()) {
            Some((expression, warn_at)) => self.limits(expression, warn_at),
            None => {
                let severity = match criterion.severity {
                    Severity::Require => "require",
                    Severity::Prefer => "prefer",
                };
                self.line(severity, &quote(&criterion.text));
            }
        }
        self.scope(&criterion.scope);
        self.options(&criterion.options);
        if let Some(hint) = &criterion.hint {
            self.line("hint", &quote(hint));
        }
    }

    /// Three outcomes: the text was made of these parts.
    fn limits(&mut self, expression: &str, warn_at: &str) {
        let (metric, fail_at) = [" < ", " > "]
            .into_iter()
            .find_map(|sign| expression.split_once(sign))
            .expect("a criterion with two limits compares in one direction");
        self.line("metric", &quote(metric));
        self.line("warn_at", &quote(warn_at));
        self.line("fail_at", &quote(fail_at));
    }

    fn scope(&mut self, scope: &Scope) {
        match scope.phases.as_slice() {
            [] => self.line("phase", &quote("*")),
            [one] => self.line("phase", &quote(one)),
            several => self.line("phase", &list(several.iter().map(|name| quote(name)))),
        }
        if let Some(endpoint) = &scope.endpoint {
            self.line("endpoint", &quote(endpoint));
        }
        for (word, time) in [("from", scope.from), ("to", scope.to)] {
            if let Some(time) = time {
                self.line(word, &quoted_duration(time));
            }
        }
    }

    fn options(&mut self, options: &Options) {
        if let Some(Every { length, allowed, of }) = options.every {
            self.line("every", &quoted_duration(length));
            self.line("allow", &of.map_or(allowed.to_string(), |of| quote(&format!("{allowed} of {of}"))));
        }
        if options.min_samples > 0 {
            self.line("min_samples", &options.min_samples.to_string());
        }
        match &options.when {
            Some(When::Baseline) => self.line("when", &quote("baseline")),
            Some(When::Holds { text, .. }) => self.line("when", &quote(text)),
            None => {}
        }
        if options.abort {
            self.line("abort", "true");
        }
        match options.on_inconclusive {
            OnInconclusive::Stay => {}
            OnInconclusive::Warn => self.line("on_inconclusive", &quote("warn")),
            OnInconclusive::Fail => self.line("on_inconclusive", &quote("fail")),
        }
    }
}
