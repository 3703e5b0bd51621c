"""Which faces of the sets wear what before their eyes, seen by a person, and who of them is kept for measuring.

Row numbers only. Hidden: neither pupil nor lids can be told behind the lenses, dark or shining, of both eyes.
Doubtful: two people could disagree, or one eye is hidden; neither trained on nor counted. Tinted: the lenses are dark,
but the eyes are seen behind them. Clear: glasses that let the eyes through. Whoever is not named here shows the eyes,
as far as anybody looked.
"""

from __future__ import annotations

import zlib

import numpy as np

from training.data import FaceSet, folded


def _rows(text: str) -> tuple[int, ...]:
    return tuple(int(row) for row in text.split())


HIDDEN: dict[str, tuple[int, ...]] = {
    "300w": _rows("2 13 14 22 23 68 89 98 110 112 140 171 229 231 241 243 298 300 333"),
    "ytf": _rows("171 204 479 1376 1377 1378 1379 1380 1381 1526 1527 2762 2763 2764"),
    "muxspace": _rows(
        "14 15 321 418 576 628 642 646 694 742 867 887 888 1464 1530 1580 1601 1848 1852 2358 2599 2781 2818 3409 "
        "3426 3715 3716 3717 3750 3783 4295 4690 5158 5312 5313 5399 5409 5429 5658 5811 5812 5947 6591 6691 7263 "
        "7264 7603 7604 7605 7625 7672 7678 7773 8108 8452 8756 8997 9144 9173 9201 9345 9506 9691 9879 9937 10115 "
        "10117 10616 10659 11109 11215 11284 11393 11486 11559 11756 11795 11934 11956 12229 12579 12780 12945"
    ),
}
# Of the hidden: lenses that show what is around.
SHINING: dict[str, tuple[int, ...]] = {
    "300w": _rows("14 22 110 112 333"),
    "ytf": (),
    "muxspace": _rows(
        "14 15 642 1530 2781 3717 4295 5399 5409 7625 7773 8997 9144 9691 10115 10616 11109 11756 11934 12780"
    ),
}
DOUBTFUL: dict[str, tuple[int, ...]] = {
    "300w": _rows("87 118 722"),
    "ytf": _rows("50 135 202 824 825 826 1217 1218 1219 1517 1518 1519 1528"),
    "muxspace": _rows(
        "231 392 399 400 403 410 413 419 580 717 971 1235 1394 1395 1423 1579 1755 2658 3453 3454 3456 3457 3458 "
        "4560 5164 5197 5331 5333 5403 5406 5408 5539 6492 6590 6609 6679 7638 8029 8498 8499 8509 8934 8968 8983 "
        "9147 9377 9538 9600 9834 9838 9878 10287 10415 10798 10934 11322 11682 11810 11896 11914 11926 12201 "
        "12202 12769 12770 13159"
    ),
}
TINTED: dict[str, tuple[int, ...]] = {
    "300w": _rows("295 456"),
    "ytf": _rows("2750 2751 2752"),
    "muxspace": _rows("1150 1258 1287 2041 2760 3375 3579 3842 4698 5660 7670 9260"),
}
CLEAR: dict[str, tuple[int, ...]] = {
    "300w": _rows(
        "3 4 6 10 12 16 37 47 51 54 55 64 65 73 100 108 109 127 130 131 133 136 144 147 156 158 163 166 169 170 "
        "172 177 217 226 233 237 238 248 254 258 262 264 265 274 276 277 292 306 309 312 320 322 331 348 386 399 "
        "434 454 462 469 493 494 516 527 532 536 537 543 547 558 566 567 568 569 570 578 603 607 610 611 612 636 "
        "639 644 647 677 689 694 708 731 745 747 748 767 768 770 771 772 789 806 809 816 833 872 880 895 926 940 "
        "961 976 989 996 1000 1068 1074 1078 1079 1080 1098 1117 1147 1156 1167"
    ),
    "ytf": _rows(
        "56 103 136 223 531 723 727 756 819 823 890 893 901 1048 1051 1060 1065 1099 1216 1230 1524 1612 1619 1759 "
        "1760 1777 1801 1860 1863 1870 1873 1972 1976 1986 1999 2324 2328 2330 2335 2404 2411 2974 2991 2996 2997 "
        "2998 3117 3198 3213 3219 3279 3289 3292 3295"
    ),
    "muxspace": _rows(
        "78 97 98 394 401 540 597 636 854 954 966 1350 1857 1859 4685 4697 4768 5205 5227 5913 5934 6277 6567 7083 "
        "7197 7767 7885 7923 7927 8152 8160 8782 8896 9037 9372 9388 9407 9502 10037 10138 10173 10621 10961 10977 "
        "11232 11233 11519 11698 11724 12002 12003 12388 12602 12692 13048 13107 13110 13112 13153"
    ),
}
_BLOCK = 50  # photos of faces_300w: neighbours may be of one person


def measured(faces: FaceSet) -> np.ndarray:
    """(N,) bool: about half of a set's people, and all that is held out anyway: for measuring only."""
    if faces.name == "300w":
        apart = np.arange(len(faces)) // _BLOCK % 2 == 0
    elif faces.name == "video":
        apart = np.isin(faces.identity, ("d9", "d12"))  # both wear glasses
    else:
        apart = np.array([zlib.crc32(folded(person).encode()) % 2 == 1 for person in faces.identity])
    return apart | faces.held_out


def rows_of(table: dict[str, tuple[int, ...]], faces: FaceSet, apart: bool) -> np.ndarray:
    """Rows of a table above with keypoints that are in the measured half (`apart`), or in the other."""
    rows = np.intersect1d(table.get(faces.name, ()), faces.labelled()).astype(int)
    return rows[measured(faces)[rows] == apart]


def plain(faces: FaceSet, apart: bool) -> np.ndarray:
    """Rows with keypoints whose eyes are seen, clear glasses among them, in the measured half or in the other."""
    rows = faces.labelled()
    other = HIDDEN.get(faces.name, ()) + DOUBTFUL.get(faces.name, ())
    return rows[(measured(faces)[rows] == apart) & ~np.isin(rows, other)]
