;; A plugin without a compiler: the tool's first letter says what it does. Results are laid out as the component model's
;; canonical ABI wants them: `result<string, error>` is a byte, then from offset 4 the string or the error.
(module
  (import "parlour:plugin/log@1.0.0" "write" (func $write (param i32 i32 i32)))
  (import "parlour:plugin/knowledge@1.0.0" "get" (func $get (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 4)
  (table $shelf 1 funcref)
  (global $free (mut i32) (i32.const 131072))
  (data (i32.const 512) "{base}")
  (data (i32.const 768) "panicked at src/lib.rs:7: the pot boiled over")
  (data (i32.const 832) "\"line\"")
  (data (i32.const 848) "0123456789")
  (data (i32.const 864) "no JSON at all")
  (data (i32.const 1024) "{manifest}")

  ;; Never frees: an instance lives for one call.
  (func $allocate (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
               (i32.sub (i32.const 0) (local.get $align))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $enough
        (i32.ne (i32.const -1)
          (memory.grow
            (i32.add (i32.const 1)
              (i32.shr_u (i32.sub (global.get $free) (i32.mul (memory.size) (i32.const 65536))) (i32.const 16))))))
      unreachable)
    (local.get $at))

  (func (export "parlour:plugin/tools@1.0.0#describe") (result i32)
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const {manifest_length}))
    (i32.const 16))

  (func $text (param $at i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $at))
    (i32.store (i32.const 24) (local.get $length))
    (i32.const 16))

  (func $ask
    (call $get (i32.const 512) (i32.const {base_length}) (i32.const 848) (i32.const 1) (i32.const 64)))

  (func $recurse (param i32) (result i32)
    (i32.add (local.get 0) (call $recurse (i32.add (local.get 0) (i32.const 1)))))

  (func (export "parlour:plugin/tools@1.0.0#invoke")
    (param $tool i32) (param $tool_length i32) (param $input i32) (param $input_length i32) (result i32)
    (local $letter i32) (local $count i32)
    (local.set $letter (i32.load8_u (local.get $tool)))
    (if (i32.eq (local.get $letter) (i32.const 101)) ;; echo
      (then (return (call $text (local.get $input) (local.get $input_length)))))
    (if (i32.eq (local.get $letter) (i32.const 97)) ;; ask: the answer's error is this tool's error
      (then
        (call $ask)
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 64))))
        (return (call $text (local.get $input) (local.get $input_length)))))
    (if (i32.eq (local.get $letter) (i32.const 98)) ;; bomb: a table that grows until refused
      (then
        (loop $again (br_if $again (i32.ne (i32.const -1) (table.grow $shelf (ref.null func) (i32.const 4096)))))
        unreachable))
    (if (i32.eq (local.get $letter) (i32.const 99)) ;; calls
      (then (loop $again (call $ask) (br $again))))
    (if (i32.eq (local.get $letter) (i32.const 102)) ;; flood: 6 MiB of zeros
      (then
        (drop (memory.grow (i32.const 100)))
        (return (call $text (i32.const 0) (i32.const 6291456)))))
    (if (i32.eq (local.get $letter) (i32.const 103)) ;; grow until refused
      (then
        (loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
        unreachable))
    (if (i32.eq (local.get $letter) (i32.const 106)) ;; junk
      (then (return (call $text (i32.const 864) (i32.const 14)))))
    (if (i32.eq (local.get $letter) (i32.const 108)) ;; loop
      (then (loop $again (br $again))))
    (if (i32.eq (local.get $letter) (i32.const 109)) ;; mark: how often this memory was here
      (then
        (i32.store8 (i32.const 848) (i32.add (i32.load8_u (i32.const 848)) (i32.const 1)))
        (return (call $text (i32.const 848) (i32.const 1)))))
    (if (i32.eq (local.get $letter) (i32.const 110)) ;; noise: 1,000 lines
      (then
        (loop $again
          (call $write (i32.const 1) (i32.const 833) (i32.const 4))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $count) (i32.const 1000))))
        (return (call $text (i32.const 832) (i32.const 6)))))
    (if (i32.eq (local.get $letter) (i32.const 114)) ;; recurse
      (then (drop (call $recurse (i32.const 0)))))
    (if (i32.eq (local.get $letter) (i32.const 116)) ;; trap, with the text a panic hook would write
      (then
        (call $write (i32.const 3) (i32.const 768) (i32.const 45))
        unreachable))
    (if (i32.eq (local.get $letter) (i32.const 117)) ;; unlike: a number where text was promised
      (then (return (call $text (i32.const 849) (i32.const 1)))))
    unreachable))
