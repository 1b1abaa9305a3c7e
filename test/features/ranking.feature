Feature: Rankings and sums
  The highest and the lowest counters, and what all of them come to: exact, and as of one moment.

  Background:
    Given a counter "page.home" at 500
    And a counter "page.about" at 20
    And a counter "page.help" at 20
    And a counter "debt" at -7

  Scenario: The highest
    When I ask for the 3 highest counters
    Then the counters given are
      | counter    | value |
      | page.home  | 500   |
      | page.about | 20    |
      | page.help  | 20    |

  Scenario: The lowest
    When I ask for the 2 lowest counters
    Then the counters given are
      | counter    | value |
      | debt       | -7    |
      | page.about | 20    |

  Scenario: The highest of those that begin with a prefix
    When I ask for the 1 highest counters that begin with "page.h"
    Then the counters given are
      | counter   | value |
      | page.home | 500   |

  Scenario: A ranking has what was counted a moment ago
    When I increment "page.help" by 1000
    And I ask for the 1 highest counters
    Then the counters given are
      | counter   | value |
      | page.help | 1020  |

  Scenario: The sum
    When I sum the counters
    Then the sum of 4 counters is 533, from -7 to 500
    When I sum the counters that begin with "page."
    Then the sum of 3 counters is 540, from 20 to 500

  Scenario: The sum of none
    When I sum the counters that begin with "none"
    Then the sum is that of no counters

  Scenario: A sum beyond 64 bits is exact
    Given a counter "big.a" at 9223372036854775807
    And a counter "big.b" at 9223372036854775807
    And a counter "big.c" at 1
    When I sum the counters that begin with "big."
    Then the sum of 3 counters is 18446744073709551615, from 1 to 9223372036854775807
