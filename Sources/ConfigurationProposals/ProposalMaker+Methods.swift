/// Keys of methods' own sections.
extension ProposalMaker {
    /// Actions of different classes that overlap less often than this are taken not to.
    private static let rareOverlap = 0.02

    var method: [Proposal] { pseudoLabels + weakSupervision }

    private var overlap: (isRare: Bool, text: String) {
        let training = facts.training
        guard training.actions > 0 else { return (false, "no segments tell whether actions overlap") }
        let share = max(training.sameClassOverlap, training.otherClassOverlap)
        return (share < Self.rareOverlap, "\(Int((100 * share).rounded())) % of the actions overlap another")
    }

    private var pseudoLabels: [Proposal] {
        (mixesRecordings ? oneRound : twoRounds) + [
            Proposal("apl.unlabeled_batch_size", size.batch, "as many as labelled ones")
        ] + comparisons + contrast
    }

    private var oneRound: [Proposal] {
        [
            Proposal("apl.pretraining_iterations", 0, "without ACP there is none"),
            Proposal("apl.rounds", 1, "labels of a second round were no better on SBHAR and EMG gestures"),
            Proposal(
                "apl.round_iterations", max(200, size.iterations / 600 * 200),
                "a third of the burn-in: longer rounds learn the wrong labels by heart"),
            Proposal(
                "apl.teacher_views", 4, "with one view a round lost up to 2 points of mAP on held-out recordings of SBHAR, with four it did not"),
        ]
    }

    private var twoRounds: [Proposal] {
        [
            Proposal("apl.pretraining_iterations", size.iterations / 2, "half the burn-in, as on SBHAR"),
            Proposal("apl.rounds", 2, "as on SBHAR and EMG gestures"),
            Proposal(
                "apl.round_iterations", max(100, size.iterations / 600 * 100),
                "a sixth of the burn-in: longer rounds learn the wrong labels by heart"),
        ]
    }

    private var contrast: [Proposal] {
        guard mixesRecordings else { return [Proposal("acp.clusters", max(2, 2 * size.batch), "twice the batch")] }
        return [
            Proposal("acp.coarse", "false", "with ACP, held-out recordings of SBHAR had 1 to 4 points of mAP less, in every seed"),
            Proposal("acp.fine", "false", "likewise; the published method has both and a pre-training"),
        ]
    }

    private var comparisons: [Proposal] {
        guard facts.training.classes.count(where: { $0.actions > 0 }) != 1 else {
            return ["icd.eap", "icd.mpp"].map { Proposal($0, "false", "there is one class, and ICD tells classes apart") }
        }
        return [
            Proposal("icd.eap_threshold", "0.01", "as on SBHAR: similarity of raw signals tells less than that of published features (0.3)"),
            Proposal("icd.mpp_threshold", "0.5", "as on SBHAR; 0.7 for published features"),
            Proposal("icd.mpp_overlap", overlap.isRare ? "0.1" : "1.0", overlap.text),
        ]
    }

    private var weakSupervision: [Proposal] {
        let segments = min(750, max(Int(medianRows.rounded()), 40)), inner = segments < 100 ? 2 : 3
        let batch = max(size.shards, min(16, facts.labelled) / size.shards * size.shards)
        return [
            Proposal(
                "fustal.segments", segments, "rows of a recording of middle length, from 40 to 750; shorter recordings are repeated"),
            Proposal("fustal.hard_inner", inner, segments < 100 ? "less than the published 3: segments are few" : "the published value"),
            Proposal("fustal.hard_outer", 2 * inner, "twice hard_inner"),
            Proposal("fustal.embedding_dim", 512, "a quarter of the published width, for fewer recordings"),
            Proposal("fustal.generator_iterations", 500, "as on SBHAR: longer ones propose worse"),
            Proposal("fustal.generator_batch_size", batch, "up to 16 recordings, a multiple of virtual_shards"),
            Proposal("fustal.generator_learning_rate", "2.0e-4", "as on SBHAR"),
            Proposal("fustal.class_threshold", "0.1", "recordings may have several classes"),
            Proposal("fustal.proposal_shift", "0.0", "a segment's value stands in its middle"),
            Proposal("fustal.filter", "score", "better than the filter by score and density on SBHAR and EMG gestures"),
            Proposal("fustal.label_overlap", overlap.isRare ? "0.2" : "1.0", overlap.text),
            Proposal("fustal.distill_after_iterations", size.iterations * 3 / 4, "the last quarter, as on SBHAR"),
        ]
    }
}
