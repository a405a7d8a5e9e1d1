//! The table of what was measured: ours, its ceiling, the ratio.

use comfy_table::{CellAlignment, presets};

/// See the module.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 5]>);

impl Table {
    /// A row: `ours` beside `theirs`, both in `unit`, and the ratio as `ratio` says it.
    pub(crate) fn row(&mut self, what: &str, ours: f64, theirs: f64, unit: &str, ceiling: &str) {
        let ratio = if theirs > 0.0 { format!("{:.2}", ours / theirs) } else { "–".into() };
        let number = |n: f64| {
            let text = if n >= 100.0 { format!("{n:.0}") } else { format!("{n:.2}") };
            format!("{text} {unit}")
        };
        let beside = if theirs > 0.0 { number(theirs) } else { "–".into() };
        self.0.push([what.into(), number(ours), beside, ratio, ceiling.into()]);
    }

    /// To standard output.
    pub(crate) fn print(&self) {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["what", "ours", "ceiling", "ours ÷ ceiling", "the ceiling is"]);
        for row in &self.0 {
            table.add_row(row);
        }
        for column in 1..=3 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        #[expect(clippy::print_stdout, reason = "what the program is for")]
        {
            println!("{table}");
        }
    }
}

/// The median of `rounds` measurements.
pub(crate) fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or(0.0)
}
