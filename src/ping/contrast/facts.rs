//! What conditions may ask about a comparison.

use super::config::Contender;
use super::record::{Comparison, Row};
use crate::engine::condition::{Conditions, Facts};
use crate::metrics::RttStats;

impl Comparison {
    /// Takes the conditions along, each held against every method that ran.
    pub(super) fn judge_conditions(&mut self, conditions: &Conditions, contenders: &[Contender]) {
        let findings: Vec<&'static str> = self.findings.iter().map(|finding| finding.code().name()).collect();
        let rows = self.rows.iter().zip(contenders).filter(|(row, _)| row.ran);
        let mut parts: Vec<Facts> =
            rows.map(|(row, contender)| Facts { findings: findings.clone(), ..facts(row, contender) }).collect();
        if parts.is_empty() {
            parts.push(Facts { findings, ..Facts::default() });
        }
        self.conditions = conditions.judge(&parts);
    }
}

fn facts(row: &Row, contender: &Contender) -> Facts {
    let facts = Facts::of(&row.counts, row.rtt.as_ref().map(RttStats::figures));
    // The refusal of a port that the user did not name is a good answer.
    let refused = if contender.named { 0 } else { row.counts.refused };
    Facts { part: Some(row.label().into()), received: facts.received + refused, ..facts }
}
