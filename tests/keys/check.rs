//! Whether an object is as the table says: [`check`].

use serde_json::{Map, Value};

use super::{Holds, Key, objects};

/// Holds an object against the table: it has the keys that it must have and no others, and each holds what it should.
///
/// # Errors
/// What is wrong first, in words.
pub fn check(value: &Value) -> Result<(), String> {
    let fields = value.as_object().ok_or("no object")?;
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let kind = text("type").ok_or("no type")?;
    let of_kind = objects().filter(|object| object.kind == kind);
    let mut of_tool = of_kind.filter(|object| object.tool.is_none_or(|of| text("tool").is_none_or(|tool| tool == of)));
    let object = of_tool.next().ok_or_else(|| format!("no object is of type {kind}"))?;
    let fields: Map<String, Value> =
        fields.iter().filter(|(key, _)| *key != "type").map(|(key, value)| (key.clone(), value.clone())).collect();
    check_keys(&fields, &object.keys().collect::<Vec<_>>(), kind)
}

fn check_keys(fields: &Map<String, Value>, keys: &[&Key], place: &str) -> Result<(), String> {
    if let Some(missing) = keys.iter().find(|key| key.is_required && !fields.contains_key(key.name)) {
        return Err(format!("{place} lacks {}", missing.name));
    }
    fields.iter().try_for_each(|(name, value)| {
        let key = keys.iter().find(|key| key.name == name).ok_or_else(|| format!("{place}.{name} is in no table"))?;
        if key.is_nullable && value.is_null() {
            Ok(())
        } else {
            check_value(&key.holds, value, &format!("{place}.{name}"))
        }
    })
}

fn check_value(holds: &Holds, value: &Value, place: &str) -> Result<(), String> {
    let text = value.as_str();
    let fits = match holds {
        Holds::Flag => value.is_boolean(),
        Holds::Integer => value.is_u64(),
        Holds::Number => value.is_number(),
        Holds::Text => value.is_string(),
        Holds::Address => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        Holds::Time => {
            text.is_some_and(|text| text.len() == "2026-11-22T07:47:13.000001000Z".len() && text.ends_with('Z'))
        }
        Holds::Name(names) => names.iter().copied().flatten().any(|name| Some(*name) == text),
        Holds::Numbers => value.as_array().is_some_and(|all| all.iter().all(|one| one.is_number() || one.is_null())),
        Holds::Object(part) => {
            let fields = value.as_object().ok_or_else(|| format!("{place} is no object: {value}"))?;
            return check_keys(fields, &part.keys().collect::<Vec<_>>(), place);
        }
        Holds::List(holds) => {
            let all = value.as_array().ok_or_else(|| format!("{place} is no array: {value}"))?;
            return all.iter().try_for_each(|one| check_value(holds, one, place));
        }
    };
    if fits { Ok(()) } else { Err(format!("{place} cannot be {value}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part() -> Value {
        json!({
            "type": "part", "version": 1, "tool": "rping", "shard": {"index": 0, "count": 3}, "list_digest": "00",
            "targets": 5, "answered": 1, "complete": true,
        })
    }

    fn with(key: &str, value: Value) -> Result<(), String> {
        let mut changed = part();
        changed[key] = value;
        check(&changed)
    }

    #[test]
    fn what_is_missing_unknown_or_of_another_type_is_found() {
        assert_eq!(check(&part()), Ok(()));
        assert_eq!(with("targets", json!("5")), Err("part.targets cannot be \"5\"".to_owned()));
        assert_eq!(with("targets", Value::Null), Err("part.targets cannot be null".to_owned()));
        assert_eq!(with("more", json!(1)), Err("part.more is in no table".to_owned()));
        assert_eq!(with("shard", json!({"index": 0})), Err("part.shard lacks count".to_owned()));
        assert_eq!(with("type", json!("other")), Err("no object is of type other".to_owned()));
    }

    #[test]
    fn objects_of_one_type_are_told_apart_by_their_tool() {
        let dropped = json!({"type": "start", "version": 1, "tool": "rpong", "listeners": [], "time": "2026-11-22T07:47:13.000001000Z"});
        assert_eq!(check(&dropped), Ok(()));
        let start = json!({"type": "start", "version": 1, "tool": "rping"});
        assert!(check(&start).is_err_and(|why| why.starts_with("start lacks ")));
    }
}
