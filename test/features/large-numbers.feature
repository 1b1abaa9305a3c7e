Feature: Large numbers
  Counters hold every whole number from -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807, exactly. Beyond
  that nothing wraps around and nothing is rounded: it is refused.

  Scenario Outline: <number> comes back exactly
    Given a counter "atoms" at <number>
    Then "atoms" is <number>

    Examples:
      | number                     | what is special about it                |
      | 9,007,199,254,740,993      | the first that a JSON number would lose |
      | -9,007,199,254,740,993     | and its negative                        |
      | 9,223,372,036,854,775,807  | the highest                             |
      | -9,223,372,036,854,775,808 | the lowest                              |

  Scenario: One more than the highest
    Given a counter "atoms" at 9,223,372,036,854,775,807
    When I increment "atoms"
    Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      | value     | 9223372036854775807 |
      | max       | 9223372036854775807 |
      | requested | 1                   |
    And "atoms" is still 9,223,372,036,854,775,807

  Scenario: One less than the lowest
    Given a counter "atoms" at -9,223,372,036,854,775,808
    When I decrement "atoms"
    Then it is refused with OUT_OF_RANGE, reason BELOW_MIN
      | value     | -9223372036854775808 |
      | min       | -9223372036854775808 |
      | requested | 1                    |
    And "atoms" is still -9,223,372,036,854,775,808

  Scenario: One step where floating point would stand still
    Given a counter "atoms" at 9,007,199,254,740,992
    When I increment "atoms"
    Then the answer says it went from 9,007,199,254,740,992 to 9,007,199,254,740,993

  Scenario: From one end to the other
    Given a counter "atoms" at -9,223,372,036,854,775,808
    When I set "atoms" to 9,223,372,036,854,775,807
    Then the answer says it went from -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807
    And the answer says there is room for 0 up and 18,446,744,073,709,551,615 down

  Scenario: The largest amount
    Given a counter "atoms" at -1
    When I increment "atoms" by 9,223,372,036,854,775,807
    Then the answer says it went from -1 to 9,223,372,036,854,775,806
    When I decrement "atoms" by 9,223,372,036,854,775,807
    Then the answer says it went from 9,223,372,036,854,775,806 to -1

  Scenario: A counter that clamps stops at the end of the numbers
    Given a counter "atoms" with
      | value      | 9,223,372,036,854,775,800 |
      | at a bound | stop                      |
    When I increment "atoms" by 100
    Then the answer says it went from 9,223,372,036,854,775,800 to 9,223,372,036,854,775,807
