//! The JSON Schemas of items that job types name by their files.

use std::path::Path;

use flotilla_core::job_type::{JobType, JobTypes};
use flotilla_core::schema::ItemSchema;
use serde_json::{Map, Value};

/// Reads them; paths are relative to `folder`, that of the configuration.
pub(super) fn read(job_types: &mut JobTypes, folder: &Path) -> Result<(), String> {
    let read = |name: &str, job_type: &mut JobType| {
        let Some(ItemSchema::File(file)) = &job_type.schema else {
            return Ok(());
        };
        let file = folder.join(file);
        let document = document(&file).map_err(|why| {
            let file = file.display();
            format!("job_types.{name}.schema: {file}: {why}")
        })?;
        job_type.schema = Some(ItemSchema::Inline(document));
        Ok(())
    };
    job_types.try_for_each_mut(read)
}

fn document(file: &Path) -> Result<Map<String, Value>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("not a JSON object: {error}"))
}
