import Autograd
import Foundation
import NeuralNetworks
import RandomStreams

/// What comparisons with labelled instances are worth on recordings that were not learnt: cross-validation over labelled recordings.
public struct LeftOutComparison: Equatable, Sendable {
    /// Of the pairs of an instance and a class whose similarity is at least the threshold of promotion, the part where the instance is of the class; nil
    /// without such pairs.
    public var promotedRight: Double?
    /// Of the instances, the part whose similarity to their own class is at least the threshold of removal; nil without instances.
    public var keptRight: Double?

    public init(promotedRight: Double? = nil, keptRight: Double? = nil) {
        self.promotedRight = promotedRight
        self.keptRight = keptRight
    }

    /// Whether comparisons may remove labels, and promote candidates.
    func trusted(_ required: Double) -> (removal: Bool, promotion: Bool) {
        (keptRight.map { $0 >= required } ?? false, promotedRight.map { $0 >= required } ?? false)
    }

    /// One line for the user.
    public func summary(_ required: Double) -> String {
        func part(_ value: Double?) -> String { value.map { String(format: "%.0f %%", 100 * $0) } ?? "none" }
        let trust = trusted(required)
        return "in labelled recordings left out, \(part(promotedRight)) of what is like a class is of it"
            + (trust.promotion ? "" : " (nothing is promoted)") + ", \(part(keptRight)) of the actions are like their own class"
            + (trust.removal ? "" : " (nothing is removed)")
    }

    /// Groups of recordings that are left out one after another.
    static let folds = 4

    /// Trains a discriminator for each group without its recordings, and compares their instances with the others'.
    ///
    /// - Parameters:
    ///   - bank: all labelled instances.
    ///   - recordings: of each instance, which recording it is of.
    ///   - settings: of the discriminator, and the thresholds.
    ///   - seed: of weights and pairs.
    public init(_ bank: InstanceSet, recordings: [Int], _ settings: DiscriminatorConfiguration, seed: UInt64) {
        let order = Array(Set(recordings)).sorted(), folds = min(Self.folds, order.count)
        guard folds > 1 else { return }
        let fold = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0 % folds) })
        var promoted = 0, promotedRight = 0, own = 0, ownKept = 0
        for number in 0..<folds {
            let inside = recordings.indices.filter { fold[recordings[$0]] == number },
                outside = recordings.indices.filter { fold[recordings[$0]] != number }
            let known = bank.subset(outside)
            guard !inside.isEmpty, known.count > 1 else { continue }
            for (label, similarities) in Self.similarities(of: bank.subset(inside), to: known, settings, seed: seed, purpose: "left out \(number)") {
                for (similarity, instance) in zip(similarities, inside) {
                    let isRight = bank.labels[instance] == label
                    if Double(similarity) >= settings.mppThreshold {
                        promoted += 1
                        promotedRight += isRight ? 1 : 0
                    }
                    guard isRight else { continue }
                    own += 1
                    ownKept += Double(similarity) >= settings.eapThreshold ? 1 : 0
                }
            }
        }
        if promoted > 0 { self.promotedRight = Double(promotedRight) / Double(promoted) }
        if own > 0 { keptRight = Double(ownKept) / Double(own) }
    }

    /// By a new discriminator that has learnt the known instances: of each class among them, the similarity of every instance to it.
    private static func similarities(
        of instances: InstanceSet, to known: InstanceSet, _ settings: DiscriminatorConfiguration, seed: UInt64, purpose: String
    ) -> [(label: Int, similarities: [Float])] {
        let discriminator = InstanceDiscriminator(columns: known.columns, hidden: settings.hidden), arena = ParameterArena(discriminator)
        let optimizer = AdamW(arena, weightDecay: settings.weightDecay)
        return withExtendedLifetime(arena) {
            discriminator.train(on: known, settings, arena, optimizer, seed: seed, purpose: purpose)
            let projected = discriminator.projected(known), all = Array(0..<instances.count)
            return Set(known.labels).sorted().map { ($0, discriminator.similarities(instances.subset(all, label: $0), to: projected)) }
        }
    }
}

extension InstanceSet {
    /// Some of the instances, in the order given.
    ///
    /// - Parameter label: their class; nil: as it is.
    func subset(_ indices: [Int], label: Int? = nil) -> InstanceSet {
        InstanceSet(
            columns: columns, features: indices.flatMap { features[$0 * columns..<($0 + 1) * columns] }, labels: indices.map { label ?? labels[$0] },
            pooling: pooling, hasLength: hasLength)
    }
}

extension InstanceDiscriminator {
    /// Instances of a step, at most.
    private static let mostAnchors = 64

    /// Trains it anew on instances that stay as they are: `icd.iterations` steps, without other ranks, which all do the same.
    ///
    /// - Parameters:
    ///   - bank: the instances.
    ///   - settings: iterations, pairs and learning rate.
    ///   - arena: its parameters; `optimizer` moves them, from new moments on.
    ///   - seed: of the first weights and the pairs.
    ///   - purpose: tells its pairs from others'.
    func train(
        on bank: InstanceSet, _ settings: DiscriminatorConfiguration, _ arena: ParameterArena, _ optimizer: AdamW, seed: UInt64, purpose: String
    ) {
        initializeParameters(seed: seed)
        optimizer.reset()
        for step in 0..<settings.iterations {
            var random = RandomStream(seed: seed, "pairs, " + purpose, step)
            var anchors = Array(0..<bank.count)
            for i in 0..<min(Self.mostAnchors, anchors.count) { anchors.swapAt(i, i + random.uniformIndex(below: anchors.count - i)) }
            let pairs = InstancePairs.balanced(
                anchors: Array(anchors.prefix(Self.mostAnchors)), labels: bank.labels, perSide: settings.pairs, random: &random)
            let tape = Tape()
            arena.beginGradients()
            _ = loss(pairs, bank: bank, tape: tape)
            tape.backward()
            arena.finishGradients()
            optimizer.update(learningRate: settings.learningRate)
        }
    }
}
