//! The table as JSON Schema: [`schema`].

use serde_json::{Map, Value, json};

use super::{Holds, Key, Object, Part};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of an object. Keys that it does not know are allowed, because keys may be added.
pub fn schema(object: &Object) -> Value {
    let mut schema = of_keys(object.keys());
    let properties = &mut schema["properties"];
    properties["type"] = json!({"const": object.kind});
    if let Some(tool) = object.tool
        && properties.get("tool").is_some()
    {
        properties["tool"]["const"] = json!(tool);
    }
    schema["required"].as_array_mut().into_iter().for_each(|required| required.insert(0, json!("type")));
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!(object.name());
    schema["description"] = json!(object.about);
    let parts = parts([object]);
    if !parts.is_empty() {
        let of_part = |part: &&Part| {
            let mut schema = of_keys(part.keys());
            schema["description"] = json!(part.about);
            (part.name.to_owned(), schema)
        };
        schema["$defs"] = Value::Object(parts.iter().map(of_part).collect());
    }
    schema
}

/// The parts of objects, each once, in the order in which they are met.
pub fn parts<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<&'static Part> {
    let mut parts = Vec::new();
    objects.into_iter().flat_map(Object::keys).for_each(|key| add_part(&key.holds, &mut parts));
    parts
}

fn add_part(holds: &'static Holds, parts: &mut Vec<&'static Part>) {
    match holds {
        Holds::List(holds) => add_part(holds, parts),
        Holds::Object(part) if parts.iter().all(|known| known.name != part.name) => {
            parts.push(part);
            part.keys().for_each(|key| add_part(&key.holds, parts));
        }
        _ => {}
    }
}

fn of_keys<'a>(keys: impl Iterator<Item = &'a Key>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for key in keys {
        let mut schema = key.holds.schema();
        if key.is_nullable {
            schema = nullable(schema);
        }
        schema["description"] = json!(key.meaning);
        properties.insert(key.name.to_owned(), schema);
        required.extend(key.is_required.then_some(key.name));
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn nullable(schema: Value) -> Value {
    if let Some(names) = schema["enum"].as_array() {
        let names = [names.as_slice(), &[Value::Null]].concat();
        json!({"enum": names})
    } else if schema["type"].is_string() {
        let mut schema = schema;
        schema["type"] = json!([schema["type"], "null"]);
        schema
    } else {
        json!({"anyOf": [schema, {"type": "null"}]})
    }
}

impl Holds {
    /// The type of JSON.
    pub fn json(&self) -> &'static str {
        match self {
            Holds::Flag => "boolean",
            Holds::Integer => "integer",
            Holds::Number => "number",
            Holds::Text | Holds::Address | Holds::Time | Holds::Name(_) => "string",
            Holds::Object(_) => "object",
            Holds::List(_) | Holds::Numbers => "array",
        }
    }

    fn schema(&self) -> Value {
        match self {
            Holds::Integer => json!({"type": "integer", "minimum": 0}),
            Holds::Time => json!({"type": "string", "format": "date-time"}),
            Holds::Name(names) => json!({"enum": (names.concat())}),
            Holds::Object(part) => json!({"$ref": format!("#/$defs/{}", part.name)}),
            Holds::List(holds) => json!({"type": "array", "items": holds.schema()}),
            Holds::Numbers => json!({"type": "array", "items": {"type": ["number", "null"]}}),
            plain => json!({"type": plain.json()}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::objects;

    #[test]
    fn names_of_schemas_are_their_own() {
        let mut names: Vec<String> = objects().map(Object::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), objects().count());
    }

    #[test]
    fn a_key_that_may_be_null_says_so_whatever_it_holds() {
        assert_eq!(nullable(json!({"type": "number"})), json!({"type": ["number", "null"]}));
        assert_eq!(nullable(json!({"enum": ["a"]})), json!({"enum": ["a", null]}));
        assert_eq!(nullable(json!({"$ref": "#/$defs/x"})), json!({"anyOf": [{"$ref": "#/$defs/x"}, {"type": "null"}]}));
    }
}
