//! The contract in Rust, generated from the WIT folder that the SDK reads too.
// Only what really waits is async; `trappable` where a call can end the guest.
wasmtime::component::bindgen!({
    path: "../../../plugin-sdk/wit",
    world: "plugin",
    imports: {
        "parlour:plugin/config": trappable,
        "parlour:plugin/http": async | trappable,
        "parlour:plugin/knowledge": async | trappable,
        "parlour:plugin/model": async | trappable,
        "parlour:plugin/storage": async | trappable,
        "parlour:plugin/system": trappable,
    },
    exports: { default: async },
});
