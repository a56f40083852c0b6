use serde_json::json;

use super::{Import, name_of, version_of};

#[test]
fn names_are_as_workflows_write_them() {
    for (text, name) in [
        ("listPets", "list_pets"),
        ("GET /pets/{petId}", "get_pets_pet_id"),
        ("Swagger Petstore - OpenAPI 3.0", "swagger_petstore_open_api_3_0"),
        ("2fa", "api_2fa"),
        ("宠物", "api"),
        ("HTTPServer", "httpserver"),
    ] {
        assert_eq!(name_of(text).trim_end_matches('_'), name, "{text}");
    }
    assert_eq!(name_of(&"x".repeat(500)).len(), 60);
    for (text, version) in
        [("1", Some("1.0.0")), ("v2.3", Some("2.3.0")), ("1.2.3", Some("1.2.3")), ("beta", None), ("1.2.3.4", None)]
    {
        assert_eq!(version_of(text).as_deref(), version, "{text}");
    }
}

fn import(document: serde_json::Value) -> Import {
    Import { openapi_import: 1, id: "pets".into(), document, server: None, operations: Vec::new() }
}

#[test]
fn references_are_followed_and_types_that_hold_themselves_end_somewhere() {
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Pets", "version": "1" }, "servers": [{ "url": "https://{region}.example.com/v1/",
        "variables": { "region": { "default": "eu" } } }],
        "paths": { "/pets/{id}": {
            "parameters": [{ "$ref": "#/components/parameters/Id" }],
            "put": { "operationId": "putPet", "summary": "Store a pet", "requestBody": { "required": true, "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Pet" } } } }, "responses": {} } } },
        "components": {
            "parameters": { "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } } },
            "schemas": { "Pet": { "type": "object", "properties": {
                "name": { "type": "string", "nullable": true, "example": "Rex" },
                "age": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                "parent": { "$ref": "#/components/schemas/Pet" } } } } },
    });
    let (declared, api) = import(document).plugin().expect("it can be imported");
    let tool = &declared.manifest().tools[0];
    assert_eq!((tool.name.as_str(), tool.idempotent), ("put_pet", true));
    assert_eq!(api.server, "https://eu.example.com/v1");
    let problems = |input| declared.input_problems("put_pet", &input).expect("the tool is there");
    assert_eq!(
        problems(json!({ "id": 1, "body": { "name": null, "parent": { "parent": { "age": 3 } } } })),
        Vec::<String>::new()
    );
    assert_eq!(problems(json!({ "id": "x", "body": { "age": 0 } })).len(), 2);
    assert_eq!(problems(json!({ "body": {}, "strange": 1 })).len(), 2);
    assert_eq!(declared.manifest().permissions.http[0].host, "eu.example.com");
}

#[test]
fn what_cannot_be_imported_is_told_at_once() {
    let refused = |document| import(document).plugin().map(|_| ()).expect_err("it cannot be imported");
    assert!(refused(json!({ "swagger": "2.0" })).detail.contains("OpenAPI 3"));
    let nowhere = json!({ "openapi": "3.1.0", "servers": [{ "url": "/api" }], "paths": {} });
    assert!(refused(nowhere).detail.contains("`/api`"));
    let forms = json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example.com" }], "paths": {
        "/a": { "post": { "requestBody": { "content": { "multipart/form-data": {} } } } },
        "/b": { "post": { "requestBody": { "content": { "text/xml": {} } } } } } });
    let error = refused(forms);
    assert_eq!(error.errors.len(), 2, "{error:?}");
    let mut paths = serde_json::Map::new();
    for number in 0..65 {
        paths.insert(format!("/p{number}"), json!({ "get": {} }));
    }
    let many = json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example.com" }], "paths": paths });
    assert!(refused(many.clone()).errors[0].message.contains("65 operations"));
    let some = Import { operations: vec!["GET /p1".into(), "GET /nowhere".into()], ..import(many) };
    assert!(some.plugin().map(|_| ()).expect_err("one is not there").errors[0].message.contains("`GET /nowhere`"));
}

#[test]
fn a_file_is_told_from_other_files() {
    let yaml = "openapi: 3.1.0\ninfo: { title: My Pets, version: '1' }\npaths: {}\n";
    assert_eq!(Import::read(yaml.as_bytes()).expect("it is one").expect("it can be read").id, "my_pets");
    for other in [&b"\0asm\x01"[..], b"{}", b"hello", b"openapi", b"\xff\xfe"] {
        assert!(Import::read(other).is_none(), "{other:?}");
    }
}
