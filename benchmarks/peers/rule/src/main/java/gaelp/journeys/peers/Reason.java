package gaelp.journeys.peers;

import java.math.BigDecimal;

/** Why a deadline ended a journey, with the default policy's multiplier. */
enum Reason {
    TIMEOUT("1.0"),
    INACTIVITY("0.8");

    final BigDecimal multiplier;

    Reason(String multiplier) {
        this.multiplier = new BigDecimal(multiplier);
    }
}
