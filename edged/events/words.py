"""What events say again and again; deflate begins with it, so that small bodies become smaller.

A dictionary that is in use anywhere must never change: add one under the next number.
"""

from __future__ import annotations

WORDS: dict[int, bytes] = {
    1: (
        b'{"command":"","id":"","key":"","reason":"not_enrolled","text":"","unrecorded":0}'
        b'{"from_seq":1,"last_hash":"","reason":"capacity","to_seq":10,"count":10}'
        b'"person_id":"","receipt":"eyJhbGciOiJFZERTQSIsImtpZCI6Ig","templates":1}'
        b'"no_face","several_faces","too_far","too_close","off_centre","cut_off","turned",'
        b'"too_dark","overexposed","backlit","blurred","covered","come_closer","step_back",'
        b'"turn_left","turn_right","raise_head","lower_head","hold_still","more_light",'
        b'"avoid_backlight","remove_covering","one_person_only","center_face","retake",'
        b'"reason":"no_match","reason":"doubtful","reason":"lookalike","reason":"poor_quality"'
        b'{"defects":{"blurred":1,"off_centre":1,"too_far":2,"turned":1},"duration_s":0.5,"frames":3,'
        b'"fused_quality":0.99,"implied_fpir":0.003,"instructions":["face_camera"],'
        b'"instructions":["come_closer"],"instructions":[],"lookalike":false,"margin":0.03,'
        b'"minimum_quality":0.3,"model":"mobilefacenet-rts@1.1.0#30ae6c34721e","people":812,'
        b'"person_id":"E1042","policy":"0123456789ab","profile":"access","quality":0.98,'
        b'"reason":"matched","runner_up":0.3,"seen":5,"similarity":0.9,"threshold":0.65}'
    ),
}
