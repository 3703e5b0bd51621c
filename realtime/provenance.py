"""The mark of synthetic pictures: what files say about themselves (`realtime.render` draws the visible badge)."""

from __future__ import annotations

# Standard keys that MP4, Matroska, FLV and PNG all know. The address is the term of IPTC's digital source type
# vocabulary for a picture that was partly made by a trained model, which checkers of provenance look for.
METADATA: tuple[tuple[str, str], ...] = (
    ("title", "Synthetic face video"),
    (
        "comment",
        "This picture is synthetic: a face in it was changed by Facet."
        " http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    ),
)
