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
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::TableStyle::new());
    for row in rows {
        let serde_json::Value::Object(row) = serde_json::to_value(row)? else {
            continue;
        };
        if table.header().is_none() {
            table.set_header(row.keys());
        }
        table.add_row(row.values().map(cell));
    }
    println!("{table}");
    Ok(())
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            format!("{:.2}", number.as_f64().unwrap_or(f64::NAN))
        }
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
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
