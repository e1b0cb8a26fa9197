/* SPDX-License-Identifier: MIT */
#include "telemetry/telemetry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
    const char *answer;
    enum verdict expected;
} cases[] = {
    {"", VERDICT_NONE},
    {"Normal.", VERDICT_NORMAL},
    {"UNUSUAL", VERDICT_UNUSUAL},
    {"The readings are normal.", VERDICT_NORMAL},
    {"The readings are **normal**.", VERDICT_NORMAL},
    {"The readings are unusual.", VERDICT_UNUSUAL},
    {"This reading is abnormal: the humidity of 99.9 % stands out.", VERDICT_UNUSUAL},
    {"The sensor readings indicate normal environmental conditions. CO levels are within safe "
     "limits at 0.0024 ppm.",
     VERDICT_NORMAL},
    /* negations */
    {"The readings are not unusual.", VERDICT_NORMAL},
    {"Nothing unusual here, it seems.", VERDICT_NORMAL},
    {"There are no anomalies in the readings.", VERDICT_NORMAL},
    {"There are no signs of anomalies or irregularities.", VERDICT_NORMAL},
    {"None of the readings are unusual.", VERDICT_NORMAL},
    {"The values do not appear to be abnormal.", VERDICT_NORMAL},
    {"The values aren't abnormal.", VERDICT_NORMAL},
    {"The values aren\xe2\x80\x99t abnormal.", VERDICT_NORMAL},
    {"The readings are neither unusual nor abnormal.", VERDICT_NORMAL},
    {"The reading is free of anomalies.", VERDICT_NORMAL},
    {"The reading is non-anomalous.", VERDICT_NORMAL},
    {"It is nothing out of the ordinary.", VERDICT_NORMAL},
    {"The readings are not normal.", VERDICT_UNUSUAL},
    {"The readings aren't typical.", VERDICT_UNUSUAL},
    {"There is no light, and the humidity is unusual.", VERDICT_UNUSUAL},
    {"There is no motion and the humidity is unusual.", VERDICT_UNUSUAL},
    {"The readings of 18.8 °C, 74.1 %, 0.0119 %, and light and motion no indicate an unusual "
     "situation.",
     VERDICT_UNUSUAL},
    /* what a small model wrote */
    {"The readings on this device are normal, but to add a bit of extra context, it's possible to "
     "calculate the normal range for the given values. The maximum reading is 18.9 °C, the "
     "minimum reading is 1.17 °C, and the maximum reading is",
     VERDICT_NORMAL},
    {"The device is detecting a mix of smoke and light, which indicates the presence of LPG and "
     "smoke. The device may be malfunctioning or",
     VERDICT_NONE},
    {"The readings are not normal. The device is emitting CO, LPG, and smoke, which means it's not "
     "a regular device. The readings are unusual, with no standard values. The device's CO, LPG, "
     "and smoke emissions are not typical of the normal operating conditions. The device's",
     VERDICT_UNUSUAL},
    /* comparisons and ranges */
    {"The temperature is above the normal range.", VERDICT_UNUSUAL},
    {"The humidity is higher than usual.", VERDICT_UNUSUAL},
    {"The values are not outside the normal range.", VERDICT_NORMAL},
    {"All values are within the normal range.", VERDICT_NORMAL},
    {"All the values are within range.", VERDICT_NORMAL},
    {"The CO value is out of range.", VERDICT_UNUSUAL},
    {"The temperature exceeds typical limits.", VERDICT_UNUSUAL},
    {"The normal range is 20 to 25 °C.", VERDICT_NONE},
    {"The normal range of humidity is 30 to 50 %, so the 75 % are unusual.", VERDICT_UNUSUAL},
    /* parts and the whole */
    {"The temperature is normal. The humidity is normal.", VERDICT_NORMAL},
    {"The temperature is normal. The humidity is unusual.", VERDICT_UNUSUAL},
    {"The readings are normal, except for the humidity, which is unusual.", VERDICT_UNUSUAL},
    {"The readings are normal. However, the temperature of 0.1 °C is unusual.", VERDICT_UNUSUAL},
    {"The readings are normal. The temperature is unusual.", VERDICT_NONE},
    {"The readings are normal. The readings are unusual.", VERDICT_NONE},
    {"The reading is unusual: the temperature is normal, the humidity is not.", VERDICT_UNUSUAL},
    /* no claims */
    {"The temperature is 22.7 °C and the humidity 51.0 %.", VERDICT_NONE},
    {"Are the readings normal? The temperature is 22.7 °C.", VERDICT_NONE},
    {"Say whether the readings are normal or unusual.", VERDICT_NONE},
    {"The readings can be normal or unusual.", VERDICT_NONE},
    {"If the readings are unusual, call somebody.", VERDICT_NONE},
    {"Die Werte sind normal und nichts ist auff\xc3\xa4llig.", VERDICT_NONE},
    {"Los valores son normales.", VERDICT_NONE},
    {"Les valeurs mesur\xc3\xa9"
     "es sont toutes normal",
     VERDICT_NONE},
    /* JSON */
    {"{\"verdict\":\"normal\"}", VERDICT_NORMAL},
    {"{\"verdict\" : \"anomaly\", \"reason\": \"the readings are normal\"}", VERDICT_UNUSUAL},
    {"Here it is:\n```json\n{\n  \"verdict\": \"suspect\"\n}\n```", VERDICT_UNUSUAL},
    {"{\"verdict\":\"perhaps\"} The readings are normal.", VERDICT_NONE},
    {"{\"verdict\":\"normal\"}{\"verdict\":\"anomaly\"}", VERDICT_NONE},
    {"{\"verdict\":\"normal\"}{\"verdict\":\"normal\"}", VERDICT_NORMAL},
    {"{\"verdict\":", VERDICT_NONE},
    {"{\"verdict\":\"norm", VERDICT_NONE},
    {"{\"verdict\":null} The readings are normal.", VERDICT_NORMAL},
};

static void reads_answers(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum verdict v = verdict_read(span_str(cases[i].answer));
        if (v != cases[i].expected) {
            print_error("'%s': %s, expected %s\n", cases[i].answer, verdict_name(v),
                        verdict_name(cases[i].expected));
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

/* What a model repeats without end must neither overrun nor take long. */
static void takes_any_bytes(void **state)
{
    (void)state;
    static const char *const pieces[] = {"normal or ", "not ", "\"verdict\":", "\xff\xfe",
                                         ".",          "'",    "n't ",         "the unusual "};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        while (b.n < 300000)
            buf_str(&b, pieces[i]);
        for (size_t n = 0; n < 40; n++)
            (void)verdict_read(span_sub(buf_view(&b), 0, n));
        (void)verdict_read(buf_view(&b));
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_answers),
                                       cmocka_unit_test(takes_any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
