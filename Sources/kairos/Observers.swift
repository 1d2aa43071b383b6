import RunRecords
import TensorBoard
import TrainingMethods

/// Who is told what happens in a run: one line per observer.
func makeObservers(_ configuration: RunConfiguration) -> [any RunObserver] {
    let all: [(any RunObserver)?] = [
        LogObserver(),
        ProgressObserver(),
        configuration.training.tensorBoard ? TensorBoardObserver() : nil,
    ]
    return all.compactMap { $0 }
}
