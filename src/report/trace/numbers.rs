//! The numbers of flows in words.

/// One flow, or several.
pub fn word(flows: &[u32]) -> &'static str {
    if flows.len() == 1 { "flow" } else { "flows" }
}

/// Ascending numbers, neighbours as ranges: `0,2-3`.
pub fn ranges(numbers: &[u32]) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let spans: Vec<String> = spans
        .iter()
        .map(|&(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    spans.join(",")
}
