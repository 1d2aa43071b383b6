import RunRecords

/// Who is told what happens in a run: one line per observer.
func makeObservers() -> [any RunObserver] {
    [
        LogObserver(),
        ProgressObserver(),
    ]
}
