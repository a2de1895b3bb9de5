//! Rows: one result each, as a line of JSON or of a table.

use serde::Serialize;

/// One engine's times for one piece of work.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) engine: String,
    pub(crate) work: String,
    pub(crate) threads: usize,
    pub(crate) ns_median: f64,
    pub(crate) ns_min: f64,
    pub(crate) ratio_to_control: f64,
}

/// Prints rows as JSON lines, or as a table under the column names given.
pub(crate) fn print<R: Serialize>(rows: &[R], json: bool) -> anyhow::Result<()> {
    if json {
        for row in rows {
            println!("{}", serde_json::to_string(row)?);
        }
        return Ok(());
    }
    let mut header = Vec::new();
    let mut lines = Vec::new();
    for row in rows {
        let serde_json::Value::Object(row) = serde_json::to_value(row)? else {
            continue;
        };
        if header.is_empty() {
            header = row.keys().map(|name| name.replace('_', " ")).collect();
        }
        lines.push(row.values().map(cell).collect());
    }
    print_table(&header, &lines);
    Ok(())
}

/// Prints a table as a document takes it.
pub(crate) fn print_table(header: &[String], lines: &[Vec<String>]) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(header);
    table.add_rows(lines);
    println!("{table}\n");
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            short(number.as_f64().unwrap_or(f64::NAN))
        }
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// One promise in numbers, beside what was measured.
#[derive(Serialize)]
pub(crate) struct Check {
    what: String,
    measured: String,
    budget: String,
    verdict: &'static str,
}

impl Check {
    pub(crate) fn at_most(what: impl Into<String>, measured: f64, budget: f64) -> Self {
        Self::new(what, measured, "at most", budget, measured <= budget)
    }

    pub(crate) fn at_least(what: impl Into<String>, measured: f64, budget: f64) -> Self {
        Self::new(what, measured, "at least", budget, measured >= budget)
    }

    /// No promise of ours.
    pub(crate) fn to_compare(what: impl Into<String>, measured: f64, why: &str) -> Self {
        Self {
            what: what.into(),
            measured: short(measured),
            budget: why.to_owned(),
            verdict: "-",
        }
    }

    fn new(what: impl Into<String>, measured: f64, bound: &str, budget: f64, holds: bool) -> Self {
        Self {
            what: what.into(),
            measured: short(measured),
            budget: format!("{bound} {}", short(budget)),
            verdict: if holds { "holds" } else { "MISSED" },
        }
    }

    /// With a word on what the budget is.
    pub(crate) fn of(mut self, who: &str) -> Self {
        self.budget = format!("{} ({who})", self.budget);
        self
    }
}

/// Three figures, or all before the point.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        _ if number.fract() == 0.0 => format!("{number:.0}"),
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// The median and the least of some times.
pub(crate) fn median_and_min(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    (
        times.get(middle).copied().unwrap_or(f64::NAN),
        times.first().copied().unwrap_or(f64::NAN),
    )
}
