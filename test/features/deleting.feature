Feature: Deleting a counter
  A deleted counter is gone at once, and its name is free. What is made under that name later is another counter:
  nothing that was read of the old one changes the new one.

  Scenario: It is gone
    Given a counter "visits" at 42
    When I delete "visits"
    Then the answer says it ended at 42
    And there is no counter "visits"

  Scenario: Its name is free
    Given a counter "visits" with
      | value   | 10 |
      | maximum | 10 |
    When I delete "visits"
    And I increment "visits" by 50
    Then the answer says it went from 0 to 50
    And the answer is change number 1

  Scenario: It stays gone
    Given a counter "visits" at 42
    And a counter "orders" at 7
    When I delete "visits"
    And the server is restarted
    Then there is no counter "visits"
    And "orders" is 7

  Scenario: A counter that is missing
    When I delete "nobody"
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | nobody |

  Scenario: Only if it was not counted on since
    Given a counter "visits" at 42
    And I have read "visits"
    And somebody else increments "visits"
    When I delete "visits" if nobody changed it since
    Then it is refused with ABORTED, reason ETAG_MISMATCH
    And "visits" is still 43
    Given I have read "visits"
    When I delete "visits" if nobody changed it since
    Then the answer says it ended at 43

  Scenario: What was read of a deleted counter does not name the one that was made since
    Given a counter "price" at 100
    And I have read "price"
    When I delete "price"
    And a counter "price" at 100
    And I set "price" to 120 if nobody changed it since
    Then it is refused with ABORTED, reason ETAG_MISMATCH
    When I delete "price" if nobody changed it since
    Then it is refused with ABORTED, reason ETAG_MISMATCH
    And "price" is still 100

  Scenario: Under a request id it is deleted once, and not the one that was made since
    Given a counter "visits" at 42
    When I delete "visits" under the request id "delete-1"
    And a counter "visits" at 1
    And I send the same request again
    Then the deletion is marked as a repeat
    And the answer says it ended at 42
    And "visits" is 1

  Scenario: A retry after the server was killed
    Given the server runs in a process of its own
    And a counter "visits" at 42
    When I delete "visits" under the request id "delete-1"
    And the server is killed and started again
    And I send the same request again
    Then the deletion is marked as a repeat
    And the answer says it ended at 42
    And there is no counter "visits"

  Scenario: An increment that was answered before is answered so again
    Given a counter "visits" at 42
    When I increment "visits" by 5 under the request id "visit-1"
    Given somebody else deletes "visits"
    When I send the same request again
    Then the answer is the first one, marked as a repeat
    And there is no counter "visits"

  Scenario: Many callers at once delete one counter
    Given a counter "visits" at 42
    When 20 callers at once each delete "visits"
    Then 1 of them are answered and 19 are refused with COUNTER_NOT_FOUND
